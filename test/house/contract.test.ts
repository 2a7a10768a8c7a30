// docs/contract.md is what comments cite: its defaults are those of the code.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ALERTS_MAX } from "../../edge/notices/alerts.ts";
import { REMEMBERED_MS } from "../../edge/ledger/answer-log.ts";
import { WEBHOOKS_MAX } from "../../edge/notices/notice-store.ts";
import { DEFAULT_SETTINGS, KEYS_MAX } from "../../edge/ledger/settings.ts";
import { IDEMPOTENCY_BYTES_MAX } from "../../edge/ledger/types.ts";
import { WALLET_SETTINGS } from "../../edge/wallet/wallet.ts";
import { COLD_RETRY_AFTER_S } from "../../edge/backend/faults.ts";
import { BATCH_LIMITS } from "../../edge/files/batch-types.ts";
import { admissionInputs, tokensMin } from "../../edge/cache/admission.ts";
import { KV_LIFE_S } from "../../edge/cache/shared-tiers.ts";
import { FILE_LIMITS } from "../../edge/files/types.ts";
import { LIMITS } from "../../edge/settings.ts";
import { DEFAULT_PRICES } from "../../shared/catalog.ts";
import { REQUEST_TOKENS_MAX } from "../../shared/schemas/input.ts";
import { INPUTS_MAX } from "../../shared/schemas/texts.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/contract.md"), "utf8");
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The table's rows of one section, a cell each. */
function rowsOf(title: string): readonly (readonly string[])[] {
  const section = page.split(/^## /m).find((text) => text.startsWith(`${title}\n`)) ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("| "));
  return rows.slice(2).map((line) => line.slice(2, -2).split(" | "));
}

test("the contract's defaults are those in force", () => {
  const inForce = {
    "price, nano-USD per 1,000,000 tokens": DEFAULT_PRICES.priceNanoUsdPerMillion,
    "price of a hit": DEFAULT_PRICES.hitPriceNanoUsdPerMillion,
    "batch price": DEFAULT_PRICES.batchPriceNanoUsdPerMillion,
    "batch price of a hit": DEFAULT_PRICES.batchHitPriceNanoUsdPerMillion,
    "minimum charge, nano-USD": DEFAULT_PRICES.minimumChargeNanoUsd,
    "requests a minute, of an account": DEFAULT_SETTINGS.requestsPerMinute,
    "tokens a minute, of an account": DEFAULT_SETTINGS.tokensPerMinute,
    "texts a request": INPUTS_MAX,
    "tokens a request": REQUEST_TOKENS_MAX,
    "body, bytes": LIMITS.bodyBytesMax,
    "deadline of a request, s": LIMITS.requestDeadlineMs / 1000,
    "hold for a cold model, s": LIMITS.coldHoldMs / 1000,
    "hold under `Prefer: wait`, s": LIMITS.coldHoldMsMax / 1000,
    "`Retry-After` of a cold model, s": COLD_RETRY_AFTER_S,
    "life of a lease, s": DEFAULT_SETTINGS.leaseTtlMs / 1000,
    "report of a lease, s": WALLET_SETTINGS.syncWindowMs / 1000,
    "report of a busy lease, s": WALLET_SETTINGS.busySyncWindowMs / 1000,
    "result under an `Idempotency-Key`, bytes": IDEMPOTENCY_BYTES_MAX,
    "life of an answer under an `Idempotency-Key`, h": REMEMBERED_MS / HOUR_MS,
    "shortest text in KV, tokens": tokensMin(admissionInputs(DEFAULT_PRICES)),
    "life of an entry in KV, days": (KV_LIFE_S * 1000) / DAY_MS,
    "keys of an account": KEYS_MAX,
    "webhooks of an account": WEBHOOKS_MAX,
    "alerts of an account": ALERTS_MAX,
    "file, bytes": FILE_LIMITS.bytesMax,
    "file, lines": FILE_LIMITS.linesMax,
    "life of a file, days": FILE_LIMITS.lifeMs / DAY_MS,
    "files of an account": FILE_LIMITS.filesMax,
    "files of an account, bytes": FILE_LIMITS.storedBytesMax,
    "running batches of an account": BATCH_LIMITS.runningMax,
    "time of a batch, h": BATCH_LIMITS.windowMs / HOUR_MS,
  };
  const named = rowsOf("Defaults").map(([name, value = ""]) => [name, Number(value.replaceAll(",", ""))]);
  expect(named).toEqual(Object.entries(inForce));
});

test("the contract is short enough to be read", () => {
  expect(Buffer.byteLength(page)).toBeLessThan(12_000);
});
