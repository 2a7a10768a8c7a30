// docs/webhooks.md names every event that a webhook can be told.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { EVENT_TYPES } from "../../shared/event-types.ts";

test("every type of event stands on the page of webhooks", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/webhooks.md"), "utf8");
  expect(EVENT_TYPES.filter((type) => !page.includes(`\`${type}\``))).toEqual([]);
});
