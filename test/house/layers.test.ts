// Which folder of the Worker may import which: the table of docs/architecture.md, held against the code's own imports.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
/** Scripts of the pages run in browsers and have a project of their own. */
const NOT_THE_WORKER = /^edge\/pages\/(?:client|vendor)\/|\.d\.ts$/;
const SPECIFIER = /(?:from|import)\s*\(?"(\.{1,2}\/[^"]+)"/g;
const ROW = /^\| `edge\/([\w.-]+)\/?` \| [^|]* \| ([^|]*) \|$/gm;

const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: ROOT,
  encoding: "utf8",
})
  .split("\n")
  .filter((file) => file.endsWith(".ts") && existsSync(join(ROOT, file)));

/** File → the files of `within` that it imports, as a value or as a type. */
function importsOf(within: readonly string[]): Map<string, string[]> {
  const known = new Set(within);
  return new Map(
    within.map((file) => {
      const text = readFileSync(join(ROOT, file), "utf8");
      const targets = [...text.matchAll(SPECIFIER)].map(([, path]) => normalize(join(dirname(file), path ?? "")));
      return [file, targets.filter((target) => known.has(target))];
    }),
  );
}

/** `edge/ledger/sync.ts` → `ledger`, `edge/app.ts` → `app`. */
function roomOf(file: string): string {
  return (file.split("/")[1] ?? "").replace(/\.ts$/, "");
}

/** The first circle found, or undefined. */
function circleIn(imports: ReadonlyMap<string, readonly string[]>): string | undefined {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file].join(" → ");
    if (done.has(file)) return undefined;
    path.push(file);
    for (const target of imports.get(file) ?? []) {
      const circle = visit(target);
      if (circle !== undefined) return circle;
    }
    path.pop();
    done.add(file);
    return undefined;
  };
  for (const file of imports.keys()) {
    const circle = visit(file);
    if (circle !== undefined) return circle;
  }
  return undefined;
}

const worker = files.filter((file) => file.startsWith("edge/") && !NOT_THE_WORKER.test(file));

test("the Worker's folders import what the table of docs/architecture.md says, no more and no less", () => {
  const found = new Map<string, Set<string>>();
  for (const [file, targets] of importsOf(worker)) {
    const room = roomOf(file);
    const own = found.get(room) ?? new Set<string>();
    found.set(room, own);
    for (const target of targets) if (roomOf(target) !== room) own.add(roomOf(target));
  }
  const page = readFileSync(join(ROOT, "docs/architecture.md"), "utf8");
  const said = [...page.matchAll(ROW)].map(([, name = "", list = ""]) => {
    const rooms = list === "–" ? [] : list.split(", ");
    return [name.replace(/\.ts$/, ""), rooms.toSorted()] as const;
  });
  const drawn = Object.fromEntries([...found].map(([room, targets]) => [room, [...targets].sort()]));
  expect(drawn).toEqual(Object.fromEntries(said));
});

test("no two folders of the Worker import each other", () => {
  const arrows = new Set(
    [...importsOf(worker)].flatMap(([file, targets]) =>
      targets
        .filter((target) => roomOf(target) !== roomOf(file))
        .map((target) => `${roomOf(file)} → ${roomOf(target)}`),
    ),
  );
  const back = (arrow: string): string => arrow.split(" → ").toReversed().join(" → ");
  expect([...arrows].filter((arrow) => arrows.has(back(arrow)))).toEqual([]);
});

test.each([
  ["the Worker", worker],
  ["the backend", files.filter((file) => file.startsWith("gpu-backend/"))],
  ["what both share", files.filter((file) => file.startsWith("shared/"))],
  ["the scripts", files.filter((file) => file.startsWith("scripts/"))],
  ["the tests", files.filter((file) => file.startsWith("test/"))],
] as const)("no files of %s import each other in a circle, types included", (_, within) => {
  expect(within.length).toBeGreaterThan(10);
  expect(circleIn(importsOf(within))).toBeUndefined();
});
