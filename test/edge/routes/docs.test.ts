// What people and agents read: the reference, the guides, both also as Markdown, llms.txt.
import { describe, expect, test } from "vitest";
import { GUIDES } from "../../../edge/pages/guides.ts";
import { ROUTES } from "../../../edge/routes/table.ts";
import { ERRORS } from "../../../shared/errors.ts";
import { Api } from "../support/api.ts";

const api = new Api();

describe("/docs/errors", () => {
  test("has a section for every code, with status, type and what to do", async () => {
    const { status, text } = await api.call("/docs/errors");
    expect(status).toBe(200);
    for (const [code, { status: codeStatus, type }] of Object.entries(ERRORS)) {
      const [, section = ""] = text.split(new RegExp(`<h2 id="${code}">([\\s\\S]*?)(?=<h2|</article>)`));
      expect(section).toContain(`${codeStatus} <code>${type}</code>`);
      expect(section.replaceAll(/<[^>]+>|\s+/g, " ").length).toBeGreaterThan(code.length + type.length + 24);
    }
    expect(text).not.toContain("undefined");
  });

  test("is where a message links to", async () => {
    const { body } = await api.call("/v1/embeddings", { method: "POST" });
    const { message } = body["error"] as { message: string };
    const [, path = "", code = ""] = /https:\/\/api\.test(\/docs\/errors)#(\w+)$/.exec(message) ?? [];
    expect((await api.call(path)).text).toContain(`id="${code}"`);
  });
});

describe("/docs", () => {
  test("runs scripts of our own alone and reads our own document", async () => {
    const { status, text, headers } = await api.call("/docs");
    expect(status).toBe(200);
    const policy = headers.get("content-security-policy") ?? "";
    expect(policy).toContain("script-src 'self';");
    expect(policy).toContain("connect-src 'self';");
    expect(text).toContain("/v1/openapi.json");
    const [script = ""] = /\/assets\/scalar\.[0-9a-f]{16}\.js/.exec(text) ?? [];
    expect((await api.call(script)).status).toBe(200);
    expect(text).not.toMatch(/src="https?:/);
  });
});

describe("a docs page as Markdown", () => {
  const PATHS = ["/docs", ...GUIDES.map(({ name }) => `/docs/${name}`)];
  const asked = (path: string, accept: string) => api.call(path, { headers: { accept } });

  test("is beside the page, and at the page itself for who asks for it by name", async () => {
    for (const path of PATHS) {
      const beside = await api.call(`${path}.md`);
      expect([beside.status, beside.headers.get("content-type")]).toEqual([200, "text/markdown; charset=utf-8"]);
      expect(beside.text).toMatch(/^# \S/);
      const same = await asked(path, "text/markdown, text/html;q=0.9, */*;q=0.1");
      expect(same.headers.get("content-type")).toBe("text/markdown; charset=utf-8");
      expect(same.headers.get("vary")).toContain("Accept");
      expect(same.text).toBe(beside.text);
    }
  });

  test("is not what a browser gets, nor who accepts anything: a cache is told that there are two", async () => {
    for (const path of PATHS) {
      for (const accept of ["text/html,application/xhtml+xml,*/*;q=0.8", "*/*", "text/html, text/markdown;q=0.5"]) {
        const { headers, text } = await asked(path, accept);
        expect(headers.get("content-type")).toBe("text/html; charset=utf-8");
        expect(headers.get("vary")).toContain("Accept");
        expect(text).toContain(`<link rel="alternate" href="${path}.md" type="text/markdown"`);
      }
    }
  });

  test("names this deployment, and links to pages that exist", async () => {
    for (const path of PATHS) {
      const { text } = await api.call(`${path}.md`);
      expect(text).not.toContain("127.0.0.1:8787");
      expect(text).not.toMatch(/<!--|\]\((?!https:)/);
      for (const [, link = ""] of text.matchAll(/\]\(https:\/\/api\.test([^)#]*)/g)) {
        expect([link, (await api.call(link)).status]).toEqual([link, 200]);
      }
    }
  });

  test("of the reference has every route, with its fields, answers and errors", async () => {
    const { text } = await api.call("/docs.md");
    for (const { method, path } of ROUTES) expect(text).toContain(`\n### ${method.toUpperCase()} ${path}\n`);
    const section = text.split(/^### /m).find((part) => part.startsWith("POST /v1/rerank\n")) ?? "";
    expect(section).toContain("- `documents` (array of ");
    expect(section).toContain("- `X-Max-Cost` (header, string): USD");
    expect(section).toContain("`results[].relevance_score`: The reranker's score");
    expect(section).toContain("`max_cost_exceeded`");
    expect(section).toContain('"query":"capital of France"');
    expect(text).toContain("### POST /v2/rerank\n");
    expect(text).not.toContain("undefined");
  });
});

describe("/llms-full.txt", () => {
  test("is llms.txt, every guide and the reference", async () => {
    const { text, headers } = await api.call("/llms-full.txt");
    expect(headers.get("content-type")).toContain("text/plain");
    const parts = ["/llms.txt", ...GUIDES.map(({ name }) => `/docs/${name}.md`), "/docs.md"];
    const texts = await Promise.all(parts.map(async (path) => (await api.call(path)).text.trim()));
    expect(text).toBe(texts.join("\n\n---\n\n"));
  });
});

describe("/llms.txt", () => {
  test("links every docs page as Markdown, and all of them in one", async () => {
    const { text } = await api.call("/llms.txt");
    const paths = [...text.matchAll(/\(https:\/\/api\.test([^)]*)\)/g)].map(([, path = ""]) => path);
    const pages = GUIDES.map(({ name }) => `/docs/${name}.md`);
    expect(paths).toEqual(["/v1/openapi.json", "/docs.md", ...pages, "/llms-full.txt"]);
  });

  test("names every route in plain Markdown", async () => {
    const { text, headers } = await api.call("/llms.txt");
    expect(headers.get("content-type")).toContain("text/plain");
    expect(text).toMatch(/^# gigarouter embeddings\n\n> /);
    expect(text).toContain("https://api.test/mcp");
    for (const { method, path } of ROUTES) expect(text).toContain(`\`${method.toUpperCase()} ${path}\``);
  });
});

describe("/v1/openapi.json", () => {
  test("is the document of the origin it is asked at", async () => {
    const { body } = await api.call("/v1/openapi.json");
    expect(body).toMatchObject({ openapi: "3.1.0", servers: [{ url: "https://api.test" }] });
  });
});
