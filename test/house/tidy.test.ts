// The style is a test: what CONTRIBUTING.md asks of every file and a linter does not see.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const FILE_LINES_MAX = 400;
const TEXT_FILES = /\.(?:tsx?|mjs|js|json|toml|md|sql|html|css|yml|yaml)$/;
const SOURCE = /^(?:edge|gpu-backend|shared|scripts)\/.*\.(?:tsx?|mjs)$/;
const WITHOUT_COMMENT = /\.d\.ts$|vendor\//;

const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: ROOT,
  encoding: "utf8",
})
  .split("\n")
  .filter(
    (file) =>
      // Listed by git, deleted in the working tree: not a file any more.
      existsSync(join(ROOT, file)) &&
      TEXT_FILES.test(file) &&
      !file.includes("vectors/") &&
      !file.includes("demo-model/") &&
      !file.endsWith("package-lock.json"),
  );
const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");
const sources = files.filter((file) => SOURCE.test(file));

/** The comments of a source as one line: a name may be cut off from what follows it by a line's end. */
function commentsOf(text: string): string {
  const lines = [...text.matchAll(/(?:^|\s)(?:\/\/|\/\*\*?|\*|#) ?(.*)$/gm)].map(([, line = ""]) => line);
  return lines.join(" ");
}

function offenders(list: readonly string[], isOffender: (text: string, file: string) => boolean): string[] {
  return list.filter((file) => isOffender(read(file), file));
}

describe("every file", () => {
  test("there are files to check", () => {
    expect(sources.length).toBeGreaterThan(50);
  });

  test("ends with one newline, has no tabs in code, no trailing spaces, no CRLF", () => {
    const code = files.filter((file) => /\.(?:tsx?|mjs|toml|sql|css)$/.test(file));
    expect(offenders(files, (text) => !text.endsWith("\n") || text.includes("\r\n"))).toEqual([]);
    expect(offenders(code, (text) => /[ \t]$/m.test(text) || /^\t/m.test(text))).toEqual([]);
  });

  test("of source and tests stops at 400 lines", () => {
    const code = files.filter((file) => /\.(?:tsx?|mjs)$/.test(file));
    expect(offenders(code, (text) => text.split("\n").length - 1 > FILE_LINES_MAX)).toEqual([]);
  });

  test("of source opens with the contract it keeps", () => {
    const opened = sources.filter((file) => !WITHOUT_COMMENT.test(file));
    expect(offenders(opened, (text) => !/^(?:#!.*\n)?\s*(?:\/\/|\/\*)/.test(text))).toEqual([]);
  });

  test("carries no mark of unfinished work", () => {
    const marks = new RegExp(
      [`TO${"DO"}`, `FIX${"ME"}`, `XX${"X"}\\b`, `@ts-${"ignore"}`, `\\.${"only"}\\(`, `\\.${"skip"}\\(`].join("|"),
    );
    expect(
      offenders(
        files.filter((file) => /\.(?:tsx?|mjs)$/.test(file)),
        (text) => marks.test(text),
      ),
    ).toEqual([]);
  });
});

describe("the layout", () => {
  test("file names are kebab-case", () => {
    const named = sources.filter((file) => !/^[a-z0-9.-]+$/.test(file.slice(file.lastIndexOf("/") + 1)));
    expect(named).toEqual([]);
  });

  test("shared imports nothing but shared and zod, edge nothing of the backend, and neither way back", () => {
    const allowed: Readonly<Record<string, RegExp>> = {
      shared: /^shared\//,
      edge: /^(?:edge|shared)\//,
      "gpu-backend": /^(?:gpu-backend|shared)\//,
    };
    const wrong = sources.flatMap((file) => {
      const within = allowed[file.slice(0, file.indexOf("/"))];
      const imports = [...read(file).matchAll(/from "(\.[^"]+)"/g)].map((match) =>
        normalize(join(dirname(file), match[1] ?? "")),
      );
      return within === undefined
        ? []
        : imports.filter((target) => !within.test(target)).map((target) => `${file} → ${target}`);
    });
    expect(wrong).toEqual([]);
    const packages = sources
      .filter((file) => file.startsWith("shared/"))
      .flatMap((file) => [...read(file).matchAll(/from "([^."][^"]*)"/g)].map((match) => match[1]));
    expect([...new Set(packages)]).toEqual(["zod"]);
  });

  test("every script that a page, a comment or a setting names is in package.json", () => {
    const scripts = Object.keys((JSON.parse(read("package.json")) as { scripts: object }).scripts);
    const named = [...files, ".npmrc", "gpu-backend/deploy/Dockerfile"].flatMap((file) =>
      [...read(file).matchAll(/npm run ([a-z]+(?::[a-z]+)*)/g)].map(([, name]) => name ?? ""),
    );
    expect([...new Set(named)].filter((name) => !scripts.includes(name))).toEqual([]);
  });

  test("every file that a comment or a page names is here, and so is the section of the contract", () => {
    const headings = new Set([...read("docs/contract.md").matchAll(/^## (.+)$/gm)].map(([, title]) => title));
    const isHere = (file: string, name: string) =>
      existsSync(join(ROOT, name)) ||
      existsSync(join(ROOT, dirname(file), name)) ||
      // A source is named by the end of its path: `money.ts`, `cache/key.ts`.
      (!name.endsWith(".md") && files.some((known) => known.endsWith(`/${name}`)));
    // The history may name what is gone; a bench installs packages of its own.
    const readers = files.filter((file) => file !== "CHANGELOG.md" && !/vendor|bench\/peers\//.test(file));
    const lost = readers.flatMap((file) => {
      const text = file.endsWith(".md") ? read(file) : commentsOf(read(file));
      const names = [...text.matchAll(/(?<![\w/:.@*-])[\w./-]+\.(?:md|tsx?|mjs)\b/g)].map(([name]) => name);
      const sections = [...text.matchAll(/docs\/contract\.md, (\w+)/g)].map(([, title = ""]) => title);
      return [
        ...names.filter((name) => !isHere(file, name)),
        ...sections.filter((title) => !headings.has(title)).map((title) => `docs/contract.md, ${title}`),
      ].map((name) => `${file}: ${name}`);
    });
    expect(lost).toEqual([]);
  });

  test("npm knows every setting of .npmrc, and says nothing", () => {
    const { stdout, stderr } = spawnSync("npm", ["config", "get", "ignore-scripts"], { cwd: ROOT, encoding: "utf8" });
    expect([stdout.trim(), stderr]).toEqual(["true", ""]);
  });

  test("dependencies are exact versions, and the lockfile names no registry", () => {
    const manifest = JSON.parse(read("package.json")) as Record<string, Record<string, string>>;
    const versions = Object.values({ ...manifest["dependencies"], ...manifest["devDependencies"] });
    expect(versions.filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
    expect(read("package-lock.json")).not.toContain("resolved");
  });
});
