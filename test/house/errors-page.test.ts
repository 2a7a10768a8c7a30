// docs/errors.md has a section for every code, with its status and type: messages link there.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ERRORS } from "../../shared/errors.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/errors.md"), "utf8");

test("every error code has its section, with status and type, and no section is left over", () => {
  const sections = [...page.matchAll(/^## (\w+)\n\n(\d+) `(\w+)`/gm)].map(([, code, status, type]) => ({
    code,
    status: Number(status),
    type,
  }));
  const table = Object.entries(ERRORS).map(([code, { status, type }]) => ({ code, status, type }));
  expect(sections).toEqual(table);
});
