// What people and agents read: the reference, the page of errors, llms.txt.
import { describe, expect, test } from "vitest";
import { ROUTES } from "../../../edge/routes/table.ts";
import { ERRORS } from "../../../shared/errors.ts";
import { Api } from "../support/api.ts";

const api = new Api();

describe("/docs/errors", () => {
  test("has a section for every code, with status, type and what to do", async () => {
    const { status, text } = await api.call("/docs/errors");
    expect(status).toBe(200);
    for (const [code, { status: codeStatus, type }] of Object.entries(ERRORS)) {
      const section = text.slice(text.indexOf(`<section id="${code}"`)).split("</section>")[0] ?? "";
      expect(section).toContain(`<b>${codeStatus}</b> <code>${type}</code>`);
      expect(section.replaceAll(/<[^>]+>|\s+/g, " ").length).toBeGreaterThan(code.length * 2 + 40);
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

describe("/llms.txt", () => {
  test("names every route in plain Markdown", async () => {
    const { text, headers } = await api.call("/llms.txt");
    expect(headers.get("content-type")).toContain("text/plain");
    expect(text).toMatch(/^# gigarouter embeddings\n\n> /);
    for (const { method, path } of ROUTES) expect(text).toContain(`\`${method.toUpperCase()} ${path}\``);
  });
});

describe("/v1/openapi.json", () => {
  test("is the document of the origin it is asked at", async () => {
    const { body } = await api.call("/v1/openapi.json");
    expect(body).toMatchObject({ openapi: "3.1.0", servers: [{ url: "https://api.test" }] });
  });
});
