import { env } from "cloudflare:test";
import { expect, test } from "vitest";
import { directoryRowsSchema } from "../../../edge/directory/backup.ts";
import { directoryTables } from "../support/directory-tables.ts";

/** They only watch: nobody misses them after a restore. */
const LEFT_OUT = ["canary_days", "canary_last", "faults"];

test("a backup has every table of the directory but those that only watch", async () => {
  await directoryTables();
  const { results } = await env.DIRECTORY.prepare(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_cf_%' AND name <> 'd1_migrations'",
  ).all<{ name: string }>();
  const kept = directoryRowsSchema.shape.table.options;
  expect([...kept, ...LEFT_OUT].toSorted()).toEqual(results.map(({ name }) => name).toSorted());
});
