// `npm run audit`: drives a real account with random concurrent calls and faults from outside, and judges its balance,
// usage and statement by what was answered. docs/bill.md.

import { setTimeout as sleep } from "node:timers/promises";
import { AuditedAccount } from "./account.ts";
import { chargesOf } from "./charges.ts";
import type { Fault } from "./evidence.ts";
import type { Books, Reading } from "./history.ts";
import { judge } from "./judge.ts";
import { USAGE, readOptions } from "./options.ts";
import type { Options } from "./options.ts";
import { Planner } from "./planner.ts";
import { billOf, countsOf, faultLines, servedOf } from "./report.ts";
import { send } from "./send.ts";
import { readPrices, readSupplies } from "./supplies.ts";
import { readSurfaces } from "./driven.ts";
import type { Surface } from "./surfaces.ts";
import { Traffic } from "./traffic.ts";
import { Wire } from "./wire.ts";
import { Api, Refusal } from "../embed/api.ts";
import { OptionsError } from "../embed/options.ts";
import { Pace } from "../embed/pace.ts";
import { Stop } from "../embed/stop.ts";
import { formatUsd, nanoUsd } from "../../shared/money.ts";

/**
 * What a call does not use is free again, and what it used is charged, 35 s after the account's last call at the latest
 * (`held` of GET /v1/account): the audit waits no longer.
 */
const SETTLE_MS = 35_000;
const SETTLE_POLL_MS = 1000;
const MS_PER_MINUTE = 60_000;

export interface AuditContext {
  readonly say: (line: string) => void;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Calls `stop` when the user wants the traffic to end; returns a function that undoes this. */
  readonly onInterrupt: (stop: () => void) => () => void;
  /** The longest wait for the books to settle; less in tests, whose one isolate reports before it reads. */
  readonly settleMs: number;
  /** The most calls; finite in tests. */
  readonly callsMax: number;
}

const REAL: AuditContext = {
  say: (line) => void process.stdout.write(`${line}\n`),
  environment: process.env,
  onInterrupt: (stop) => {
    process.once("SIGINT", stop);
    return () => void process.off("SIGINT", stop);
  },
  settleMs: SETTLE_MS,
  callsMax: Number.POSITIVE_INFINITY,
};

/** Exit code: 0 the books fit, 1 they do not, 2 nothing was judged. */
export async function main(args: readonly string[], context: AuditContext = REAL): Promise<number> {
  try {
    const options = readOptions(args, context.environment);
    if (options !== undefined) return await audit(options, context);
    context.say(USAGE);
    return 0;
  } catch (error) {
    if (error instanceof OptionsError) context.say(`${error.message} Usage: ${USAGE}`);
    else if (error instanceof Stop || error instanceof Refusal) context.say(`Not audited: ${error.message}`);
    else throw error;
    return 2;
  }
}

async function audit(options: Options, context: AuditContext): Promise<number> {
  const { say } = context;
  const now = (): number => performance.now() - startedMs;
  const startedMs = performance.now();
  const clock = { now, sleep: (ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal }) };
  const api = new Api(options.url, options.key, { pace: new Pace(1), clock, say, stop: new AbortController().signal });
  const supplies = await readSupplies(api, options);
  const account = await AuditedAccount.open(api, now);
  const start = await account.books();
  const wire = new Wire(options.url, options.key, options.concurrency);
  const { surfaces, left } = await readSurfaces(api, wire, options.surfaces, supplies);
  say(introduction(options, account, start, surfaces));
  for (const sentence of left) say(sentence);
  if (surfaces.length === 0) throw new Stop("nothing is left to drive.");
  const stop = new AbortController();
  const forget = context.onInterrupt(() => stop.abort());
  const planner = new Planner(options.seed, startedMs.toString(36).replace(".", ""), supplies, surfaces);
  const traffic = new Traffic(
    planner,
    {
      concurrency: options.concurrency,
      maxCost: options.maxCost,
      untilMs: now() + options.minutes * MS_PER_MINUTE,
      callsMax: context.callsMax,
      stop: stop.signal,
    },
    {
      send: (call) => send(wire, call),
      read: () => account.tryReading(),
      now,
      sleep: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => undefined),
    },
  );
  await traffic.run();
  wire.close();
  forget();
  say(
    `${ENDS[traffic.ended]} ${countsOf(traffic.made)}. Served: ${servedOf(traffic.made, surfaces)}. Waiting for the books to settle …`,
  );
  const readings = [...traffic.readings, ...(await settle(account, context.settleMs, now))];
  const end = await account.books();
  const prices = await readPrices(api);
  if (JSON.stringify([...prices]) !== JSON.stringify([...supplies.prices])) {
    throw new Stop("the prices changed meanwhile: audit again.");
  }
  const evidence = { made: traffic.made, start, readings, end, keyId: account.keyId, prices, settleMs: SETTLE_MS };
  return tell(judge(evidence), billOf(chargesOf(traffic.made)), options, say);
}

const ENDS: Readonly<Record<Traffic["ended"], string>> = {
  time: "The time is over.",
  money: "What it may spend is spent.",
  calls: "All calls are made.",
  stopped: "Stopped.",
};

function introduction(
  options: Options,
  account: AuditedAccount,
  { reading }: Books,
  surfaces: readonly Surface[],
): string {
  const { url, concurrency, minutes, seed, maxCost } = options;
  return [
    `Auditing ${account.accountId} at ${url} with ${account.keyId}: ${concurrency} calls at a time for ${minutes} minutes, seed ${seed}.`,
    `It may spend $${formatUsd(maxCost)} of the account's $${formatUsd(nanoUsd(reading.balanceNanoUsd))}. Nobody else may use the key until it ends.`,
    `Driven: ${surfaces.join(", ")}.`,
  ].join("\n");
}

/** Reads until nothing is held: then all that was spent has been reported. */
async function settle(account: AuditedAccount, settleMs: number, now: () => number): Promise<Reading[]> {
  const untilMs = now() + settleMs;
  const readings: Reading[] = [];
  while (now() < untilMs) {
    const reading = await account.tryReading();
    if (reading !== undefined) readings.push(reading);
    if (reading?.heldNanoUsd === 0) break;
    await sleep(Math.min(SETTLE_POLL_MS, Math.max(0, untilMs - now())));
  }
  return readings;
}

function tell(faults: readonly Fault[], bill: string, options: Options, say: AuditContext["say"]): number {
  for (const line of faultLines(faults)) say(line);
  if (faults.length === 0) say(`The books fit: ${bill}.`);
  else say(`${faults.length} faults, where the bill had to be ${bill}. The same calls again: --seed ${options.seed}`);
  return faults.length === 0 ? 0 : 1;
}
