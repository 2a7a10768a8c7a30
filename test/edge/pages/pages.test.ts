// Pages as a browser gets them: headers, facts, wishes, and the session that stands between a page and the API.
import { env } from "cloudflare:test";
import { describe, expect, test } from "vitest";
import { GUIDES } from "../../../edge/pages/guides.ts";
import { PRODUCTION_MODEL_ID } from "../../../shared/catalog.ts";
import { Api } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";

const api = new Api();
const ORIGIN = "https://api.test";
const ACCEPT = "text/html,application/xhtml+xml,*/*;q=0.8";
const PAGES = [
  "/",
  "/models",
  "/compare",
  `/models/${PRODUCTION_MODEL_ID}`,
  "/playground",
  "/dashboard",
  "/status",
  "/terms",
  "/privacy",
  "/contact",
  ...GUIDES.map(({ name }) => `/docs/${name}`),
];

/** As a browser follows a link: a program gets the API's answer at the same address. */
const open = (path: string) => api.call(path, { headers: { accept: ACCEPT } });

describe("every page", () => {
  test("is HTML that allows no inline script, no third party and no frame", async () => {
    for (const path of PAGES) {
      const { status, headers, text } = await open(path);
      expect(status).toBe(200);
      expect(headers.get("content-type")).toBe("text/html; charset=utf-8");
      expect(headers.get("content-security-policy")).toContain("default-src 'none'; script-src 'self'");
      expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
      expect(headers.get("access-control-allow-origin")).toBeNull();
      expect(text).not.toMatch(/<script(?![^>]* src=)|style="|\son\w+="/);
      const loaded = [...text.matchAll(/(?:src|<link rel="(?:stylesheet|icon)"[^>]* href)="([^"]+)"/g)].map(
        (match) => match[1] ?? "",
      );
      expect(loaded.filter((url) => !url.startsWith("/assets/"))).toEqual([]);
    }
  });

  test("loads only files that exist", async () => {
    for (const path of PAGES) {
      const { text } = await open(path);
      const files = [...text.matchAll(/"(\/assets\/[^"]+)"/g)].map((match) => match[1] ?? "");
      expect(files.length).toBeGreaterThanOrEqual(3);
      for (const file of files) expect((await api.call(file)).status).toBe(200);
    }
  });
});

describe("a page that does not exist", () => {
  test("is one for a browser, and the API's error for a program and under the API's prefixes", async () => {
    const page = await api.call("/modles", { headers: { accept: ACCEPT } });
    expect([page.status, page.headers.get("content-type")]).toEqual([404, "text/html; charset=utf-8"]);
    expect(page.headers.get("cache-control")).toBe("no-store");
    expect(page.text).toContain('href="/models"');
    expect((await api.call("/modles")).body["error"]).toMatchObject({ code: "route_not_found" });
    for (const path of ["/v1/modles", "/admin/nothing", "/dashboard/api/v2/x"]) {
      const answer = await api.call(path, { headers: { accept: ACCEPT } });
      expect([path, answer.status]).toEqual([path, 404]);
      expect(answer.body["error"]).toMatchObject({ code: "route_not_found" });
    }
  });
});

describe("a model's page", () => {
  test("says what a buyer needs, and calls that work at this origin", async () => {
    const { text } = await open(`/models/${PRODUCTION_MODEL_ID}`);
    for (const fact of ["$0.008", "32,768", "2,560", "549,100", "apache-2.0", "0.72", "17,430", "11,000", "71.75"]) {
      expect(text).toContain(fact);
    }
    expect(text).toContain(`${ORIGIN}/v1/embeddings`);
    expect(text).toContain("Coming soon");
  });

  test("of an unknown model is a 404 that escapes what was asked for", async () => {
    const { status, text } = await open("/models/a/%3Cscript%3E");
    expect(status).toBe(404);
    expect(text).not.toContain("<script>");
  });
});

describe("the comparison of all models", () => {
  const OTHER = "intfloat/multilingual-e5-large-instruct";
  const columnOf = (text: string, name: string) => {
    const rows = [...text.matchAll(/<tr>([\s\S]*?)<\/tr>/g)].map(([, row]) =>
      [...(row ?? "").matchAll(/<t[hd][^>]*>([\s\S]*?)<\/t[hd]>/g)].map(([, cell]) =>
        (cell ?? "").replaceAll(/<[^>]*>/g, "").trim(),
      ),
    );
    const column = rows[0]?.findIndex((cell) => cell.startsWith(name)) ?? -1;
    return Object.fromEntries(rows.slice(1).map((cells) => [cells[0], cells[column]]));
  };

  test("has what is known of each, a dash for what is not, and no price of what is not offered", async () => {
    const { text } = await open("/compare");
    expect(columnOf(text, "multilingual-e5-large-instruct")).toMatchObject({
      Status: "Not offered",
      "Price / 1M tokens": "–",
      Context: "512 tokens",
      Parameters: "0.6B",
      Architecture: "xlm-roberta",
      "C-MTEB: Mean": "58.08",
      "Want it?": "I want it",
    });
    expect(columnOf(text, "Qwen3 Embedding 4B")).toMatchObject({
      Status: "Coming soon",
      "Price / 1M tokens": "$0.008",
      Matryoshka: "yes",
      "C-MTEB: Mean": "71.75",
    });
    expect(columnOf(text, "Qwen3-Embedding-8B")).toMatchObject({ Parameters: "8B", "C-MTEB: Mean": "–" });
    expect(text).toContain("70.58 on MTEB multilingual");
    expect(text).toContain("<b>72.71</b>");
  });

  test("takes wishes for what is not offered, and is where a model without a page of its own is found", async () => {
    const wished = await api.call(`/models/${OTHER}/want`, { method: "POST", headers: { origin: ORIGIN }, body: "" });
    expect(wished.status).toBe(303);
    const where = wished.headers.get("location") ?? "";
    const noted = await open(where.replace("#want", ""));
    expect(noted.text).toContain("Noted: multilingual-e5-large-instruct.");
    expect(noted.headers.get("cache-control")).toBe("no-store");
    expect((await api.admin("/admin/stats")).body["wants"]).toContainEqual({ model: OTHER, count: 1 });
    const page = await api.call(`/models/${OTHER}`, { headers: { accept: ACCEPT } });
    expect([page.status, page.headers.get("location")]).toEqual([302, "/compare"]);
    expect((await open("/compare?wanted=%3Cscript%3E")).text).not.toContain("Noted");
  });
});

describe("I want this model", () => {
  const wants = async () => (await api.admin("/admin/stats")).body["wants"] as { model: string; count: number }[];
  const want = (address: string, headers: Record<string, string> = {}) =>
    api.call(`/models/${PRODUCTION_MODEL_ID}/want`, {
      method: "POST",
      headers: { origin: ORIGIN, "cf-connecting-ip": address, ...headers },
      body: "",
    });

  test("is counted once a person, and a person is an IPv4 address or an IPv6 network", async () => {
    const addresses = ["192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8:1:2::1", "2001:db8:1:2:3:4:5:6", "2001:db8::1"];
    for (const address of addresses) {
      const answer = await want(address);
      expect(answer.status).toBe(303);
      expect(answer.headers.get("location")).toBe(`/models/${PRODUCTION_MODEL_ID}?wanted#want`);
    }
    expect(await wants()).toContainEqual({ model: PRODUCTION_MODEL_ID, count: 4 });
  });

  test("keeps no address", async () => {
    await want("198.51.100.7");
    const { results } = await env.DIRECTORY.prepare("SELECT * FROM wants").all();
    expect(JSON.stringify(results)).not.toContain("198.51.100");
  });

  test("is refused from another site, and unknown models are not counted", async () => {
    expect((await want("192.0.2.3", { origin: "https://evil.test" })).status).toBe(403);
    const unknown = await api.call("/models/a/b/want", { method: "POST", headers: { origin: ORIGIN }, body: "" });
    expect(unknown.status).toBe(404);
  });

  test("cannot be hammered", async () => {
    const answers = await Promise.all(Array.from({ length: 30 }, () => want("203.0.113.9")));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([303, 429]));
  });

  test("of a live model is not counted", async () => {
    const live = await api.call(`/models/${MODEL}/want`, { method: "POST", headers: { origin: ORIGIN }, body: "" });
    expect(live.status).toBe(303);
    expect((await wants()).map(({ model }) => model)).not.toContain(MODEL);
  });
});
