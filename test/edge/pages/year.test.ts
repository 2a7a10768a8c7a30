// The dashboard's own queries against a real account that has a hundred keys and a year of daily usage: they add up, and
// their answers stay small enough for a page.
import { env, runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { accountStub } from "../../../edge/account/account-stub.ts";
import { SEGMENT_LEVELS } from "../../../edge/ledger/storage.ts";
import { encodeCells } from "../../../edge/ledger/usage-cells.ts";
import type { UsageCell } from "../../../edge/ledger/usage-cells.ts";
import type { KeyId } from "../../../shared/ids.ts";
import { parseId } from "../../../shared/ids.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { Api } from "../support/api.ts";

const DAYS = 365;
const KEYS = 100;
const DAY_MS = 86_400_000;
/** As the ledger packs them. */
const CELLS_A_SEGMENT = 500;
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

interface Bucket {
  readonly results: readonly { readonly cost_nano_usd: number; readonly requests: number }[];
}

const api = new Api();

test("a year of a hundred keys adds up in every grouping, and no answer is too large for a page", async () => {
  const { id, key } = await api.newAccount();
  const made = await Promise.all(
    Array.from({ length: KEYS - 1 }, (_, place) => api.call("/v1/keys", { key, body: { name: `Key ${place}` } })),
  );
  const keyIds = made.map(({ body }) => body["id"] as KeyId);
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  const cells = Array.from({ length: DAYS }, (_, day) =>
    keyIds.map((keyId) => cellOf(today - day * DAY_MS, keyId)),
  ).flat();
  cells.reverse();
  await seed(id, cells);
  const start = (today - (DAYS - 1) * DAY_MS) / 1000;
  const whole = cells.reduce((sum, cell) => sum + cell.costNanoUsd, 0);
  for (const grouping of ["bucket_width=1d", "bucket_width=1d&group_by=model", "bucket_width=1mo&group_by=key"]) {
    const { status, text, body } = await api.call(`/v1/usage?${grouping}&start_time=${start}&limit=366`, { key });
    expect(status).toBe(200);
    expect(text.length).toBeLessThan(ANSWER_BYTES_MAX);
    const results = (body["data"] as Bucket[]).flatMap((bucket) => bucket.results);
    expect(results.reduce((sum, result) => sum + result.cost_nano_usd, 0)).toBe(whole);
  }
  const quarter = start + (DAYS - 90) * 86_400;
  const byKey = await api.call(`/v1/usage?bucket_width=1d&group_by=key&start_time=${quarter}&limit=91`, { key });
  expect(byKey.text.length).toBeLessThan(ANSWER_BYTES_MAX);
  expect((byKey.body["data"] as Bucket[]).every(({ results }) => results.length === KEYS - 1)).toBe(true);
  expect((await api.call("/v1/keys", { key })).body["data"]).toHaveLength(KEYS);
});

function cellOf(startMs: number, keyId: KeyId): UsageCell {
  const requests = 50 + ((startMs / DAY_MS) % 7);
  return {
    startMs,
    keyId,
    model: "owner/model",
    tier: "interactive",
    requests,
    tokens: requests * 200,
    cachedTokens: requests * 40,
    costNanoUsd: nanoUsd(requests * 1440),
    savedNanoUsd: nanoUsd(requests * 160),
    errors4xx: 1,
    errors5xx: 0,
    latency: { 20: requests },
  };
}

/** Writes the cells as segments of days, as the account's alarm would have left them. */
async function seed(accountId: string, cells: readonly UsageCell[]): Promise<void> {
  const parsed = parseId("account", accountId);
  if (parsed === undefined) throw new Error("no account");
  await runInDurableObject(accountStub(env, parsed), (_, state) => {
    for (let from = 0; from < cells.length; from += CELLS_A_SEGMENT) {
      const part = cells.slice(from, from + CELLS_A_SEGMENT);
      state.storage.sql.exec(
        "INSERT INTO segments (level, start_ms, end_ms, body) VALUES (?, ?, ?, ?)",
        SEGMENT_LEVELS.indexOf("day"),
        part[0]?.startMs ?? 0,
        (part.at(-1)?.startMs ?? 0) + DAY_MS,
        JSON.stringify(encodeCells(part)),
      );
    }
  });
}
