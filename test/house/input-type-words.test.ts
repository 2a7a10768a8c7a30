import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { INPUT_TYPE_WORDS } from "../../shared/schemas/input-type.ts";

test("docs/clients.md lists exactly the words of `input_type` that the API takes", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/clients.md"), "utf8");
  const rows = [...page.matchAll(/^\| `([\w.]+)` \| (query|document) \|/gm)].map(
    ([, word, means]) => `${word} ${means}`,
  );
  const known = Object.entries(INPUT_TYPE_WORDS).flatMap(([means, words]) => words.map((word) => `${word} ${means}`));
  expect(rows).toEqual(known);
});
