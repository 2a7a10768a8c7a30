// The session between a page and the API: what the cookie is, who may use it, and that it is no more than its key.
import { describe, expect, test } from "vitest";
import { seal, unseal } from "../../../edge/session/seal.ts";
import { Api } from "../support/api.ts";

const api = new Api();
const ORIGIN = "https://api.test";
const form = { origin: ORIGIN, "content-type": "application/x-www-form-urlencoded" };

async function signIn(key: string, headers: Record<string, string> = {}) {
  const answer = await api.call("/dashboard/sign-in", {
    method: "POST",
    headers: { ...form, ...headers },
    body: new URLSearchParams({ key }).toString(),
  });
  const setCookie = answer.headers.get("set-cookie") ?? "";
  return { ...answer, setCookie, cookie: setCookie.split(";")[0] ?? "" };
}

describe("signing in", () => {
  test("sets a cookie that is bound to this host, hidden from scripts, and does not show the key", async () => {
    const { key } = await api.newAccount({ name: "Mine" });
    const { status, headers, setCookie, cookie } = await signIn(`  ${key}\n`);
    expect(status).toBe(303);
    expect(headers.get("location")).toBe("/dashboard");
    expect(setCookie).toMatch(/^__Host-session=/);
    for (const part of ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"]) expect(setCookie).toContain(part);
    expect(setCookie).not.toContain("Domain");
    expect(setCookie).not.toContain(key);
    const page = await api.call("/dashboard", { headers: { cookie } });
    expect(page.text).toContain("Signed in with Mine");
    expect(page.text).not.toContain(key);
    expect(page.headers.get("cache-control")).toBe("no-store");
  });

  test("says why a key is refused, sets no cookie, and shows nothing of what was typed", async () => {
    for (const wrong of ["sk-something", "gr-123", ""]) {
      const { status, setCookie, text } = await signIn(wrong);
      expect(status).toBe(401);
      expect(setCookie).toBe("");
      expect(text).toContain('role="alert"');
      if (wrong !== "") expect(text).not.toContain(wrong);
    }
  });

  test("is refused from another site and without an Origin", async () => {
    const { key } = await api.newAccount();
    expect((await signIn(key, { origin: "https://evil.test" })).status).toBe(403);
    expect((await signIn(key, { origin: "null" })).status).toBe(403);
    const bare = await api.call("/dashboard/sign-in", { method: "POST", body: `key=${key}` });
    expect(bare).toMatchObject({ status: 403, body: { error: { code: "cross_origin_refused" } } });
  });

  test("keeps the key's address list", async () => {
    const { key } = await api.newAccount({ ip_allow: ["192.0.2.1"] });
    expect((await signIn(key, { "cf-connecting-ip": "198.51.100.1" })).status).toBe(401);
    expect((await signIn(key, { "cf-connecting-ip": "192.0.2.1" })).status).toBe(303);
  });
});

describe("the pages' way to the API", () => {
  test("is the public API with the key's rights, without CORS, stored nowhere", async () => {
    const { key } = await api.newAccount({ scopes: ["usage:read"] });
    const { cookie } = await signIn(key);
    const account = await api.call("/dashboard/api/v1/account", {
      headers: { cookie, "sec-fetch-site": "same-origin" },
    });
    expect(account.body).toEqual((await api.call("/v1/account", { key })).body);
    expect(account.headers.get("cache-control")).toBe("no-store");
    expect(account.headers.get("access-control-allow-origin")).toBeNull();
    const made = await api.call("/dashboard/api/v1/keys", { headers: { cookie, origin: ORIGIN }, body: { name: "x" } });
    expect(made).toMatchObject({ status: 403, body: { error: { code: "insufficient_scope" } } });
  });

  test("carries bodies, queries and faults through", async () => {
    const { key } = await api.newAccount();
    const { cookie } = await signIn(key);
    const headers = { cookie, origin: ORIGIN };
    const made = await api.call("/dashboard/api/v1/keys", { headers, body: { name: "From a page" } });
    expect(made).toMatchObject({ status: 201, body: { name: "From a page" } });
    const page = await api.call("/dashboard/api/v1/usage?bucket_width=1h&limit=3", { headers: { cookie } });
    expect(page.body["data"]).toHaveLength(3);
    const gone = await api.call(`/dashboard/api/v1/keys/${String(made.body["id"])}`, { method: "DELETE", headers });
    expect(gone).toMatchObject({ status: 200, body: { deleted: true } });
    const csv = await api.call("/dashboard/api/v1/usage?bucket_width=1d&format=csv", { headers: { cookie } });
    expect(csv.headers.get("content-type")).toContain("text/csv");
    const exported = await api.call("/dashboard/api/v1/account/export", { headers: { cookie } });
    expect(exported.body).toMatchObject({ object: "account.export" });
    expect((await api.call("/dashboard/api/v1/nothing", { headers: { cookie } })).status).toBe(404);
  });

  test("is refused from another site, and without a session", async () => {
    const { key } = await api.newAccount();
    const { cookie } = await signIn(key);
    const evil = { cookie, origin: "https://evil.test" };
    expect((await api.call("/dashboard/api/v1/keys", { headers: evil, body: {} })).status).toBe(403);
    expect((await api.call("/dashboard/api/v1/keys", { headers: { cookie }, body: {} })).status).toBe(403);
    const read = { cookie, "sec-fetch-site": "cross-site" };
    expect((await api.call("/dashboard/api/v1/account", { headers: read })).status).toBe(403);
    expect((await api.call("/dashboard/api/v1/account")).status).toBe(401);
  });

  test("leads nowhere but to /v1", async () => {
    const { key } = await api.newAccount();
    const { cookie } = await signIn(key);
    for (const path of [
      "/dashboard/api/admin/accounts",
      "/dashboard/api/v1/../admin/accounts",
      "/dashboard/api/health",
    ]) {
      expect((await api.call(path, { headers: { cookie } })).status).toBe(404);
    }
  });
});

describe("a session", () => {
  test("ends when it is signed out, and cannot be made up or changed", async () => {
    const { key } = await api.newAccount();
    const { cookie } = await signIn(key);
    const out = await api.call("/dashboard/sign-out", { method: "POST", headers: { ...form, cookie }, body: "" });
    expect(out.headers.get("set-cookie")).toMatch(/^__Host-session=;.*Max-Age=0/);
    const [name = "", value = ""] = cookie.split("=");
    for (const forged of [`${name}=`, `${name}=abc`, `${name}=${value.slice(0, -4)}AAAA`, `${name}=%%%`]) {
      expect((await api.call("/dashboard/api/v1/account", { headers: { cookie: forged } })).status).toBe(401);
    }
  });

  test("is over once it is signed out, for a copy of its cookie too; its key goes on", async () => {
    const { key } = await api.newAccount();
    const [one, two] = [await signIn(key), await signIn(key)];
    await api.call("/dashboard/sign-out", { method: "POST", headers: { ...form, cookie: one.cookie }, body: "" });
    const read = (cookie: string) => api.call("/dashboard/api/v1/account", { headers: { cookie } });
    expect((await read(one.cookie)).status).toBe(401);
    expect((await api.call("/dashboard", { headers: { cookie: one.cookie } })).text).toContain("<h1>Sign in</h1>");
    expect((await read(two.cookie)).status).toBe(200);
    expect((await api.call("/v1/account", { key })).status).toBe(200);
  });

  test("is in the account's list until it is over; from there one ends, or all", async () => {
    const { key } = await api.newAccount({ name: "Mine" });
    const cookies = [await signIn(key), await signIn(key), await signIn(key)].map(({ cookie }) => cookie);
    const list = async () => (await api.call("/v1/sessions", { key })).body["data"] as { id: string; name: string }[];
    const alive = () =>
      Promise.all(
        cookies.map(async (cookie) => (await api.call("/dashboard/api/v1/key", { headers: { cookie } })).status),
      );
    expect((await list()).map(({ name }) => name)).toEqual(Array(3).fill(expect.stringMatching(/^Mine \(gr-/)));
    const [newest] = await list();
    const path = `/v1/sessions/${String(newest?.id)}`;
    expect(await api.call(path, { key, method: "DELETE" })).toMatchObject({ status: 200, body: { deleted: true } });
    expect(await api.call(path, { key, method: "DELETE" })).toMatchObject({ status: 404 });
    expect(await alive()).toEqual([200, 200, 401]);
    expect(await api.call("/v1/sessions", { key, method: "DELETE" })).toMatchObject({
      status: 200,
      body: { deleted: 2 },
    });
    expect(await alive()).toEqual([401, 401, 401]);
    expect(await list()).toEqual([]);
  });

  test("is one of at most twenty: the oldest end", async () => {
    const { key } = await api.newAccount();
    const first = await signIn(key);
    for (let time = 0; time < 20; time += 1) await signIn(key);
    expect((await api.call("/v1/sessions", { key })).body["data"]).toHaveLength(20);
    expect((await api.call("/dashboard/api/v1/key", { headers: { cookie: first.cookie } })).status).toBe(401);
  });

  test("ends with its key", async () => {
    const owner = await api.newAccount();
    const made = await api.call("/v1/keys", { key: owner.key, body: { name: "Short" } });
    const { cookie } = await signIn(String(made.body["key"]));
    await api.call(`/v1/keys/${String(made.body["id"])}`, { key: owner.key, method: "DELETE" });
    const after = await api.call("/dashboard/api/v1/key", { headers: { cookie } });
    expect(after.status).toBe(401);
    expect(after.headers.get("set-cookie")).toMatch(/^__Host-session=;/);
  });

  test("survives a rotation of its secret, and not the secret's end", async () => {
    const first = { SESSION_SECRET: "a".repeat(32) };
    const rotated = { SESSION_SECRET: "b".repeat(32), SESSION_SECRET_PREVIOUS: "a".repeat(32) };
    const text = await seal({ apiKey: "gr-1" }, "session", first);
    expect(text).toMatch(/^[\w-]+$/);
    expect(await unseal(text, "session", rotated)).toEqual({ apiKey: "gr-1" });
    expect(await unseal(text, "session", { SESSION_SECRET: "b".repeat(32) })).toBeUndefined();
    expect(await unseal(text, "sign-in", first)).toBeUndefined();
    expect(await unseal(text.slice(1), "session", first)).toBeUndefined();
  });
});
