// npm run bench:cost: what a request costs in USD per million, from operations counted on the real object in workerd,
// beside the naive design; and what committing syncs together is worth. Exit code 1 when a budget is broken.

import { Miniflare } from "miniflare";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleWorker } from "../../../scripts/dev-server/worker-bundle.ts";
import { ASSUMED_CPU_MS, costOf } from "./prices.ts";
import type { Operations } from "./prices.ts";

/** What a 200-token text earns, per million requests. */
const REVENUE_USD = 1.6;
/** $1 per million requests is 1,000 nano-USD each. */
const NANO_USD_PER_USD_PER_MILLION = 1000;
const BUSY_USD_MAX = 0.45;
const SPARSE_USD_MAX = 1.55;
/** With what its expiry costs: nothing, since stored answers are dropped a segment at a time. */
const IDEMPOTENT_USD_MAX = 3;
const GROUPING_MIN = 5;

interface Row {
  readonly name: string;
  readonly task: {
    readonly isolates: number;
    readonly seconds: number;
    readonly everyMs: number;
    readonly even: boolean;
    readonly idempotent?: boolean;
  };
  readonly usdMax?: number;
}

const SCENARIOS: readonly Row[] = [
  {
    name: "busy: 20 requests/s, 1 isolate",
    task: { isolates: 1, seconds: 101, everyMs: 50, even: false },
    usdMax: BUSY_USD_MAX,
  },
  {
    name: "busy: 40 requests/s, 4 isolates",
    task: { isolates: 4, seconds: 100, everyMs: 25, even: false },
    usdMax: BUSY_USD_MAX,
  },
  { name: "steady: 2 requests/s, 1 isolate", task: { isolates: 1, seconds: 300, everyMs: 500, even: false } },
  {
    name: "sparse: a request every 20 s",
    task: { isolates: 1, seconds: 7200, everyMs: 20_000, even: true },
    usdMax: SPARSE_USD_MAX,
  },
  { name: "rare: a request every 5 minutes", task: { isolates: 1, seconds: 86_400, everyMs: 300_000, even: true } },
  ...[1, 10, 30, 100].map((isolates) => ({
    name: `9.5 requests/s, ${isolates} isolate${isolates === 1 ? "" : "s"}`,
    task: { isolates, seconds: 300, everyMs: 105, even: false },
  })),
  {
    name: "9.5 requests/s, each with an `Idempotency-Key`",
    task: { isolates: 1, seconds: 120, everyMs: 105, even: false, idempotent: true },
    usdMax: IDEMPOTENT_USD_MAX,
  },
];

const folder = await mkdtemp(join(tmpdir(), "bench-cost-"));
const script = await bundleWorker(new URL("worker/worker.ts", import.meta.url).pathname);
const miniflare = new Miniflare({
  modules: [{ type: "ESModule", path: "worker.mjs", contents: script }],
  compatibilityDate: "2026-04-24",
  durableObjects: {
    ACCOUNT: { className: "BenchAccount", useSQLite: true },
    NAIVE: { className: "NaiveAccount", useSQLite: true },
  },
  durableObjectsPersist: folder,
  bindings: { KEY_TAG_SECRET: "bench-tag-secret", KEY_PEPPER: "bench-pepper" },
  cf: false,
});

let broken = false;
try {
  const grouping = await measureGrouping();
  const activeMs = grouping.aloneMs + 1; // one commit, and the millisecond of collecting
  console.log(
    `USD per 1M requests of one ${"200-token"} text (revenue $${REVENUE_USD.toFixed(2)}); CPU assumed ${ASSUMED_CPU_MS} ms a request,`,
  );
  console.log(`object active ${activeMs.toFixed(2)} ms a call (measured here), 128 MB\n`);
  console.log(
    "| traffic | object calls / request | rows / request | GB-s / 1M | Worker | object | rows | KV | total | minimum charge that covers it, nano-USD |",
  );
  console.log("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
  for (const { name, task, usdMax } of SCENARIOS) {
    const counted = await ask<Operations & { chargedAll: boolean; waited: number }>("/scenario", task);
    const { total } = printLine(name, counted, activeMs);
    if (!counted.chargedAll) fail(`${name}: the books do not have every request`);
    if (usdMax !== undefined && total > usdMax) fail(`${name}: $${total.toFixed(2)} is over $${usdMax}`);
  }
  const naive = await ask<Operations>("/naive", {});
  printLine(
    "naive: reserve and settle, a row a fact",
    { ...naive, kvReads: 2 * naive.requests, kvWrites: naive.requests },
    activeMs,
  );
  console.log(
    `\nsyncs committed together: ${grouping.together.toFixed(0)}/s, one by one: ${grouping.alone.toFixed(0)}/s, ${grouping.ratio.toFixed(1)} times as many`,
  );
  const cpuUs = await measureCpu();
  console.log(
    `CPU a request, both sides of every report included: key ${cpuUs.key.toFixed(0)} µs, wallet and ledger ${cpuUs.wallet.toFixed(0)} µs`,
  );
  if (grouping.ratio < GROUPING_MIN) fail(`grouping is worth less than ${GROUPING_MIN} times`);
} finally {
  await miniflare.dispose();
  await rm(folder, { recursive: true, force: true });
}
process.exitCode = broken ? 1 : 0;

function printLine(name: string, operations: Operations, activeMs: number): { readonly total: number } {
  const cost = costOf(operations, activeMs);
  const usd = (value: number) => `$${value.toFixed(2)}`;
  console.log(
    `| ${name} | ${cost.calls.toFixed(3)} | ${cost.rows.toFixed(3)} | ${cost.gbSPerMillion.toFixed(0)} | ${usd(cost.worker)} | ${usd(cost.object)} | ${usd(cost.storage)} | ${usd(cost.kv)} | **${usd(cost.total)}** | ${Math.ceil(cost.total * NANO_USD_PER_USD_PER_MILLION)} |`,
  );
  return cost;
}

/** Alternating, medians: 100 isolates that report at the same moment. */
async function measureGrouping(): Promise<{ together: number; alone: number; ratio: number; aloneMs: number }> {
  const rates = { together: [] as number[], alone: [] as number[] };
  for (let run = 0; run < 3; run += 1) {
    for (const kind of ["alone", "together"] as const) {
      const task = { isolates: 100, rounds: 5, alone: kind === "alone" };
      const { syncs, ms } = await ask<{ syncs: number; ms: number }>("/commits", task);
      rates[kind].push((syncs * 1000) / Math.max(1, ms));
    }
  }
  const [together, alone] = [median(rates.together), median(rates.alone)];
  return { together, alone, ratio: together / alone, aloneMs: 1000 / alone };
}

/** Alternating, medians, less what an empty request takes. */
async function measureCpu(): Promise<{ key: number; wallet: number }> {
  const times = 4000;
  const took = { nothing: [] as number[], key: [] as number[], wallet: [] as number[] };
  for (let run = 0; run < 5; run += 1) {
    for (const part of ["nothing", "key", "wallet"] as const) {
      const startedMs = performance.now();
      await ask("/cpu", { part, times });
      took[part].push(performance.now() - startedMs);
    }
  }
  const us = (part: "key" | "wallet") => ((median(took[part]) - median(took.nothing)) * 1000) / times;
  return { key: us("key"), wallet: us("wallet") };
}

async function ask<Answer>(path: string, body: object): Promise<Answer> {
  const response = await miniflare.dispatchFetch(`http://bench${path}`, { method: "POST", body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  const answer: unknown = await response.json();
  return answer as Answer;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

function fail(reason: string): void {
  broken = true;
  console.log(`BUDGET BROKEN: ${reason}`);
}
