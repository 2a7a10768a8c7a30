// Makes the docs pages' files from docs/*.md, which is their only source: the Markdown as the site shows it, and HTML of
// that. Comments in the file are for the repository's readers and its tests: neither form has them.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Marked } from "marked";
import { GUIDES, GUIDE_ORIGIN } from "../../edge/pages/guides.ts";
import { ROOT } from "./options.ts";

const DOCS = `${GUIDE_ORIGIN}/docs`;
/** `<!-- … -->` and its line's end. */
const COMMENT = /<!--[\s\S]*?-->\n?/g;
/** A link into another file of docs/. */
const LINK = /\[([^\]]+)\]\(([\w-]+)\.md(#[\w-]+)?\)/g;
/** Files of the repository that are another page of the site. */
const ELSEWHERE: Readonly<Record<string, string>> = { routes: `${DOCS}.md`, README: GUIDE_ORIGIN };

/** The files of all guides by their names among the assets. */
export function guideFiles(): Readonly<Record<string, string>> {
  const pairs = GUIDES.flatMap(({ name }) => {
    const markdown = siteMarkdown(readFileSync(join(ROOT, "docs", `${name}.md`), "utf8"));
    return [
      [`${name}.md`, markdown],
      [`${name}.html`, htmlOf(markdown)],
    ] as const;
  });
  return Object.fromEntries(pairs);
}

/** The text as the site shows it: links lead to the site's pages; of a file that is none of them the words stay. */
export function siteMarkdown(text: string): string {
  return text.replaceAll(COMMENT, "").replaceAll(LINK, (_, words: string, name: string, part = "") => {
    const page = GUIDES.some((guide) => guide.name === name) ? `${DOCS}/${name}.md` : ELSEWHERE[name];
    return page === undefined ? words : `[${words}](${page}${part})`;
  });
}

const marked = new Marked({
  walkTokens(token) {
    // A reader of the page goes on to pages.
    if (token.type === "link" && token.href.startsWith(DOCS)) token.href = token.href.replace(/\.md(?=#|$)/, "");
  },
  renderer: {
    heading({ tokens, depth, text }) {
      return `<h${depth} id="${anchorOf(text)}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
    },
  },
});

/** Code and tables scroll by themselves, also by keyboard. The text of the page has no tags: they are escaped. */
export function htmlOf(markdown: string): string {
  return marked
    .parse(markdown, { async: false })
    .replaceAll("<pre>", '<div class="code" data-copy><pre tabindex="0">')
    .replaceAll("</pre>", "</pre></div>")
    .replaceAll("<table>", '<div class="table-scroll" tabindex="0"><table class="data">')
    .replaceAll("</table>", "</table></div>");
}

/** As GitHub makes anchors: links into the repository's file work on the site. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\s-]/g, "")
    .trim()
    .replaceAll(/\s/g, "-");
}
