// The docs pages are made of docs/*.md: what the site cannot show (comments, links into the repository) is not in them.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { GUIDES } from "../../edge/pages/guides.ts";
import { guideFiles, htmlOf, siteMarkdown } from "../../scripts/dev-server/guide-files.ts";

const files = guideFiles();
const idsOf = (html: string): readonly string[] => [...html.matchAll(/ id="([^"]*)"/g)].map(([, id = ""]) => id);

describe("a docs page", () => {
  test.each(GUIDES)("$name has one title, and headings that can be linked to", ({ name }) => {
    const html = files[`${name}.html`] ?? "";
    expect(html.match(/<h1/g)).toHaveLength(1);
    expect(idsOf(html)).toEqual([...new Set(idsOf(html))]);
    expect(idsOf(html)).not.toContain("");
    expect(html).not.toMatch(/<!--|\son\w+="|style="/);
  });

  test.each(GUIDES)("$name links to sections that exist", ({ name }) => {
    const text = readFileSync(join(import.meta.dirname, "../../docs", `${name}.md`), "utf8");
    for (const [, target = name, section = ""] of text.matchAll(/\]\((?:([\w-]+)\.md)?#([\w-]+)\)/g)) {
      expect(idsOf(files[`${target}.html`] ?? "")).toContain(section);
    }
  });

  test("leads to the site's pages: for people, and as Markdown; of other files the words stay", () => {
    const text = "[keys](keys.md#reach), [routes](routes.md), [money](storage.md), [out](https://a.test/b.md)";
    const markdown = siteMarkdown(`<!-- for tests -->\n${text}\n`);
    const site = "http://127.0.0.1:8787/docs";
    expect(markdown).toBe(`[keys](${site}/keys.md#reach), [routes](${site}.md), money, [out](https://a.test/b.md)\n`);
    expect(htmlOf(markdown)).toBe(
      `<p><a href="${site}/keys#reach">keys</a>, <a href="${site}">routes</a>, money, <a href="https://a.test/b.md">out</a></p>\n`,
    );
  });

  test("escapes what stands in code", () => {
    expect(htmlOf("```html\n<pre><script>alert(1)</script></pre>\n```\n")).not.toMatch(/<script|<pre>/);
  });
});
