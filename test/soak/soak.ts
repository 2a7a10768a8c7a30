// The edge in the real Workers runtime, for minutes: clients of every kind, backends that break on a schedule, memory
// sampled. At the end nothing may be left over: books balanced to the nano-dollar against what the answers said, no
// leaked holds, memory flat, every answer right or a clear refusal, and calls that work again by themselves.

import { readFileSync } from "node:fs";
import { childrenOf } from "../../scripts/dev-server/processes.ts";
import { removeFolder, temporaryFolder } from "../support/dev-server.ts";
import type { AccountUnderTest, EdgeUnderTest } from "../support/edge-server.ts";
import { startEdgeUnderTest } from "../support/edge-server.ts";
import { runFaults } from "./fault-schedule.ts";
import { mulberry32 } from "../support/mulberry32.ts";
import type { ClientOptions, Payer } from "./traffic.ts";
import { DIMENSIONS, Seen, runClient, sendGood } from "./traffic.ts";
import { judgeBooks, judgeLogs, judgeMemory } from "./verdict.ts";
import type { Books, Finding, MemorySample } from "./verdict.ts";

const CLIENTS = 12;
const SAMPLE_MS = 2000;
const REPORT_MS = 10_000;
const BACKEND_MS = 5;
/** A lease ends by itself after 30 s; reports that wait go before. */
const SETTLED_MS_MAX = 90_000;
const CALLS_AT_THE_END = 100;

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
}

/** Whether everything was as it should be. Writes its progress and its verdict to stdout. */
export async function soak({ minutes, seed }: SoakOptions): Promise<boolean> {
  say(`soaking for ${minutes} minutes, seed ${seed}`);
  const folder = temporaryFolder();
  const edge = await startEdgeUnderTest(folder, 2, { dimensions: DIMENSIONS, delayMs: BACKEND_MS });
  try {
    const findings = await run(edge, minutes, seed);
    for (const { what, isGood } of findings) say(`${isGood ? "good" : "BAD "}  ${what}`);
    const isGood = findings.every((finding) => finding.isGood);
    say(isGood ? "verdict: good" : `verdict: BAD (npm run soak -- --minutes ${minutes} --seed ${seed})`);
    return isGood;
  } finally {
    await edge.stop();
    removeFolder(folder);
  }
}

async function run(edge: EdgeUnderTest, minutes: number, seed: number): Promise<readonly Finding[]> {
  const begun = performance.now();
  const endMs = begun + minutes * 60_000;
  const isOver = (): boolean => performance.now() >= endMs;
  const seen = new Seen();
  const payers: Payer[] = await Promise.all(
    (["standard", "eager", "off"] as const).map(async (cache) => ({
      account: await edge.newAccount(cache),
      chargedNanoUsd: 0,
    })),
  );
  const abandoner = await edge.newAccount();
  const clients = Array.from({ length: CLIENTS }, (_, index) => optionsOf(edge, payers, abandoner, seen, seed, index));
  const log = { current: "calm", happened: 0 };
  const samples: MemorySample[] = [];
  const watching = watch(begun, isOver, seen, samples, log);
  await Promise.all([
    runFaults(edge.backends, mulberry32(seed), isOver, log),
    watching,
    ...clients.map((client) => runClient(client, isOver)),
  ]);
  const atTheEnd = await recover(clients);
  const all = [...payers.map(({ account }) => account), abandoner];
  const books = await settled(edge, all);
  const accounts = ["standard", "eager", "cache off", "abandoning"];
  return [
    { what: `${seen.calls} calls, ${log.happened} faults; ${percentiles(seen.latenciesMs)}`, isGood: seen.calls > 0 },
    {
      what: `answers that should not be: ${seen.wrong.length}${seen.wrong
        .slice(0, 10)
        .map((line) => `\n        ${line}`)
        .join("")}`,
      isGood: seen.wrong.length === 0,
    },
    {
      what: `connections that broke and were tried again: ${seen.broken.length}${[...new Set(seen.broken)].map((why) => `\n        ${why}`).join("")}`,
      isGood: seen.broken.length * 100 <= seen.calls,
    },
    {
      what: `after the last fault ${atTheEnd} of ${CALLS_AT_THE_END} calls came out right`,
      isGood: atTheEnd === CALLS_AT_THE_END,
    },
    ...books.flatMap((own, index) => judgeBooks(accounts[index] ?? "", own, payers[index]?.chargedNanoUsd)),
    judgeMemory(samples),
    judgeLogs(edge.logs),
  ];
}

function optionsOf(
  edge: EdgeUnderTest,
  payers: readonly Payer[],
  abandoner: AccountUnderTest,
  seen: Seen,
  seed: number,
  index: number,
): ClientOptions {
  const payer = payers[index % payers.length];
  if (payer === undefined) throw new Error("no payers");
  return { url: edge.url, payer, abandoner, seen, random: mulberry32(seed + index + 1) };
}

/** Calls one after the other; the first ones may still meet what a fault left (an open breaker), and are not counted. */
async function recover(clients: readonly ClientOptions[]): Promise<number> {
  let right = 0;
  for (let call = 0; call < CALLS_AT_THE_END + 20; call += 1) {
    const client = clients[call % clients.length];
    const status = client === undefined ? 0 : await sendGood(client, "short");
    if (call >= 20 && status === 200) right += 1;
  }
  return right;
}

/** The books once nothing is held any more, or at the end of patience; then what the keys' own usage says. */
async function settled(edge: EdgeUnderTest, accounts: readonly AccountUnderTest[]): Promise<readonly Books[]> {
  const untilMs = performance.now() + SETTLED_MS_MAX;
  for (;;) {
    const books = await Promise.all(accounts.map((account) => booksOf(edge, account)));
    // Not before: a key that asks holds a lease again.
    if (books.every(({ held }) => held === 0) || performance.now() > untilMs) {
      return Promise.all(
        books.map(async (own, index) => ({ ...own, usage: await usageOf(edge, accounts[index]?.apiKey ?? "") })),
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

async function booksOf(edge: EdgeUnderTest, { accountId }: AccountUnderTest): Promise<Omit<Books, "usage">> {
  const books = await read(`${edge.url}/admin/accounts/${accountId}`, edge.adminKey);
  const of = (name: string): number => Number(books[`${name}_nano_usd`]);
  return {
    granted: of("granted"),
    charged: of("charged"),
    writtenOff: of("written_off"),
    balance: of("balance"),
    held: of("held"),
  };
}

async function usageOf(edge: EdgeUnderTest, apiKey: string): Promise<number> {
  const startS = Math.floor(Date.now() / 1000) - 86_400;
  const usage = await read(`${edge.url}/v1/usage?start_time=${startS}&bucket_width=1d`, apiKey);
  const buckets = usage["data"] as { results: { cost_nano_usd: number }[] }[];
  return buckets.flatMap(({ results }) => results).reduce((sum, { cost_nano_usd: cost }) => sum + cost, 0);
}

async function read(url: string, key: string): Promise<Record<string, unknown>> {
  const response = await fetch(url, { headers: { authorization: `Bearer ${key}` } });
  const body = (await response.json()) as Record<string, unknown>;
  if (!response.ok) throw new Error(`${url}: ${response.status} ${JSON.stringify(body)}`);
  return body;
}

async function watch(
  begun: number,
  isOver: () => boolean,
  seen: Seen,
  samples: MemorySample[],
  log: { readonly current: string },
): Promise<void> {
  const pid = childrenOf(process.pid, /workerd/).at(-1);
  let nextReportMs = begun + REPORT_MS;
  while (!isOver()) {
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    const mib = residentMib(pid);
    samples.push({ atS: (performance.now() - begun) / 1000, mib });
    if (performance.now() < nextReportMs) continue;
    nextReportMs += REPORT_MS;
    const statuses = [...seen.statuses].toSorted().map(([name, count]) => `${name}: ${count}`);
    say(
      `${Math.round((performance.now() - begun) / 1000)} s, ${mib.toFixed(0)} MiB, ${log.current} | ${statuses.join(", ")}`,
    );
  }
}

/** NaN where there is no /proc: the memory is then judged to be unknown, which is not good. */
function residentMib(pid: number | undefined): number {
  if (process.platform !== "linux" || pid === undefined) return Number.NaN;
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1]) / 1024;
}

function percentiles(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(0);
  return `answers took ${at(0.5)} ms (p99 ${at(0.99)}, longest ${at(1)})`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
