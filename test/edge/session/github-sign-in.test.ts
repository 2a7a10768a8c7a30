// Signing in with GitHub: the account is the person's, its free credit is given once, and a callback that was not begun
// in this browser signs nobody in.

import { beforeEach, describe, expect, test } from "vitest";
import { Api } from "../support/api.ts";
import { fetchOf } from "../support/fake-backends.ts";
import { FakeGitHub } from "./fake-github.ts";
import type { FakeUser } from "./fake-github.ts";

const api = new Api();
let github = new FakeGitHub();
beforeEach(() => void (github = new FakeGitHub()));
globalThis.fetch = (url, init) => {
  const address = url instanceof Request ? url.url : String(url);
  return github.owns(address) ? github.fetch(address, init ?? {}) : fetchOf([api.backend])(address, init ?? {});
};

let people = 0;
function person(login = "octocat"): FakeUser {
  people += 1;
  return { id: people, login, emails: [{ email: `${login}@github.test`, primary: true, verified: true }] };
}

const cookieOf = (headers: Headers, name: string) =>
  headers
    .getSetCookie()
    .map((cookie) => cookie.split(";")[0] ?? "")
    .find((cookie) => cookie.startsWith(`__Host-${name}=`) && !cookie.endsWith("="));

async function begin() {
  const { status, headers } = await api.call("/auth/github");
  expect(status).toBe(302);
  return { authorizeUrl: headers.get("location") ?? "", cookie: cookieOf(headers, "sign-in") ?? "" };
}

/** The cookie of the session, and the account behind it. */
async function signIn(user: FakeUser) {
  const { authorizeUrl, cookie } = await begin();
  const query = github.approve(authorizeUrl, user);
  const { status, headers } = await api.call(`/auth/github/callback${query}`, { headers: { cookie } });
  expect(status).toBe(303);
  expect(headers.get("location")).toBe("/dashboard");
  const session = cookieOf(headers, "session") ?? "";
  expect(session).not.toBe("");
  const account = await api.call("/dashboard/api/v1/account", { headers: { cookie: session } });
  return { session, account: account.body };
}

describe("signing in", () => {
  test("sends the visitor to GitHub with state and a PKCE challenge, and nothing of ours", async () => {
    const { authorizeUrl, cookie } = await begin();
    const url = new URL(authorizeUrl);
    expect(url.origin + url.pathname).toBe("https://github.test/login/oauth/authorize");
    expect(url.searchParams.get("code_challenge_method")).toBe("S256");
    expect(url.searchParams.get("redirect_uri")).toBe("https://api.test/auth/github/callback");
    expect(url.searchParams.get("state")).toHaveLength(43);
    expect(cookie).not.toContain(url.searchParams.get("state"));
  });

  test("for the first time makes an account with the free credit; again, it is the same account and no more credit", async () => {
    const user = person();
    const first = await signIn(user);
    expect(first.account).toMatchObject({ name: "octocat", balance_usd: "5" });
    const second = await signIn({ ...user, login: "renamed" });
    expect(second.account).toMatchObject({ id: first.account["id"], balance_usd: "5" });
    const other = await signIn(person());
    expect(other.account["id"]).not.toBe(first.account["id"]);
  });

  test("twice at once makes one account", async () => {
    const user = person();
    const [one, two] = await Promise.all([signIn(user), signIn(user)]);
    expect(one.account["id"]).toBe(two.account["id"]);
    expect((await signIn(user)).account["balance_usd"]).toBe("5");
  });

  test("again after the account was deleted makes another, without free credit", async () => {
    const user = person();
    const { account, session } = await signIn(user);
    const id = String(account["id"]);
    const path = `/dashboard/api/v1/account?confirm=${id}`;
    const headers = { cookie: session, origin: "https://api.test", "sec-fetch-site": "same-origin" };
    expect((await api.call(path, { method: "DELETE", headers })).status).toBe(200);
    const back = await signIn(user);
    expect(back.account["id"]).not.toBe(id);
    expect(back.account["balance_usd"]).toBe("0");
  });

  test("leaves at most five sessions' keys", async () => {
    const user = person();
    let session = "";
    for (let time = 0; time < 7; time += 1) ({ session } = await signIn(user));
    const { body } = await api.call("/dashboard/api/v1/keys", { headers: { cookie: session } });
    expect(body["data"]).toHaveLength(5);
  });
});

describe("signing out", () => {
  const page = { origin: "https://api.test", "sec-fetch-site": "same-origin" };

  test("revokes the key that was made for the session", async () => {
    const user = person();
    const [one, two] = [await signIn(user), await signIn(user)];
    const keys = async () => {
      const { body } = await api.call("/dashboard/api/v1/keys", { headers: { cookie: two.session } });
      return body["data"];
    };
    expect(await keys()).toHaveLength(2);
    await api.call("/dashboard/sign-out", { method: "POST", headers: { ...page, cookie: one.session }, body: "" });
    expect(await keys()).toHaveLength(1);
    expect((await api.call("/dashboard/api/v1/keys", { headers: { cookie: one.session } })).status).toBe(401);
  });

  test("everywhere revokes all of them, one's own too", async () => {
    const user = person();
    const [one, two] = [await signIn(user), await signIn(user)];
    const all = { method: "DELETE", headers: { ...page, cookie: one.session } };
    expect(await api.call("/dashboard/api/v1/sessions", all)).toMatchObject({ body: { deleted: 2 } });
    for (const { session } of [one, two]) {
      expect((await api.call("/dashboard/api/v1/keys", { headers: { cookie: session } })).status).toBe(401);
    }
  });

  test("and the end of old sessions leave a customer's own key alone that is called as theirs are", async () => {
    const user = person();
    const { session } = await signIn(user);
    const headers = { ...page, cookie: session };
    const made = await api.call("/dashboard/api/v1/keys", {
      headers,
      body: { name: "Dashboard", scopes: ["usage:read"] },
    });
    for (let time = 0; time < 8; time += 1) await signIn(user);
    expect((await api.call("/v1/key", { key: String(made.body["key"]) })).status).toBe(200);
  });
});

describe("a callback signs nobody in", () => {
  async function refusal(path: string, cookie = "") {
    const { status, headers, text } = await api.call(path, { headers: { cookie } });
    expect(cookieOf(headers, "session")).toBeUndefined();
    expect(text).toContain("Sign in");
    return { status, text };
  }

  test("without the cookie of the browser that began, or with another's state", async () => {
    const { authorizeUrl, cookie } = await begin();
    const query = github.approve(authorizeUrl, person());
    await refusal(`/auth/github/callback${query}`);
    const other = await begin();
    await refusal(`/auth/github/callback${query}`, other.cookie);
    await refusal(`/auth/github/callback${query.replace(/state=.*/, "state=")}`, cookie);
  });

  test("when the visitor says no, the code is wrong, or GitHub is down", async () => {
    const { cookie, authorizeUrl } = await begin();
    await refusal("/auth/github/callback?error=access_denied", cookie);
    const state = new URL(authorizeUrl).searchParams.get("state") ?? "";
    const { text } = await refusal(`/auth/github/callback?code=forged&state=${state}`, cookie);
    expect(text).toContain("did not confirm");
    github.isDown = true;
    await refusal(`/auth/github/callback${github.approve(authorizeUrl, person())}`, cookie);
  });
});
