// Many keys in many isolates at once, with ample credit and limits, and isolates that are replaced as by deployments.
// No call may be refused, and the account's row may not grow with them.

import { Random } from "./random.ts";
import { ServiceWorld } from "./service-world.ts";
import type { ServiceIsolate } from "./service-world.ts";

export interface Crowd {
  readonly keys: number;
  readonly isolates: number;
  readonly perSecond: number;
  readonly calls: number;
  readonly replaceMs: number;
}

export interface CrowdOutcome {
  readonly served: number;
  /** Refusals by kind. */
  readonly refused: Readonly<Record<string, number>>;
  readonly hotBytesMax: number;
  /** Messages to the account's object. */
  readonly messages: number;
  readonly rows: number;
  readonly chargedAll: boolean;
}

const TOKENS = 200;
const REPORTED_MS = 60_000;

export async function runCrowd({ keys, isolates, perSecond, calls, replaceMs }: Crowd): Promise<CrowdOutcome> {
  const world = new ServiceWorld({ keys, grantNanoUsd: 1e12, requestsPerMinute: 60_000, tokensPerMinute: 1e9 });
  const { time } = world;
  const random = new Random(1);
  const refused: Record<string, number> = {};
  let served = 0;
  const count = async (call: ReturnType<ServiceIsolate["call"]>): Promise<void> => {
    const result = await call;
    if (result.kind === "admitted") served += 1;
    else refused[result.refusal.kind] = (refused[result.refusal.kind] ?? 0) + 1;
  };
  let alive: ServiceIsolate[] = [];
  let replaceAtMs = 0;
  for (let call = 0; call < calls; call += 1) {
    await time.passTo(time.nowMs() + Math.round((1000 / perSecond) * 2 * (random.below(1000) / 1000)));
    if (time.nowMs() >= replaceAtMs) {
      alive = Array.from({ length: isolates }, () => world.newIsolate());
      replaceAtMs = time.nowMs() + replaceMs;
    }
    const isolate = alive[random.below(isolates)];
    if (isolate !== undefined) void count(isolate.call(random.below(keys), TOKENS * 4, TOKENS));
  }
  await time.passTo(time.nowMs() + REPORTED_MS);
  const charged = world.look((ledger) => ledger.books.totals.chargedNanoUsd);
  return {
    served,
    refused,
    hotBytesMax: world.hotBytesMax,
    messages: world.messages,
    rows: world.storage.writes,
    chargedAll: charged === world.chargedNanoUsd,
  };
}
