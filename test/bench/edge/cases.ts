// npm run bench:edge -- --cases: CPU of calls that end otherwise than the usual one (a new text, embedded and charged):
// from the cache, under an `Idempotency-Key`, refused. And of the same work without a product around it (bare product).

import { BARE, EDGE } from "./gateways.ts";
import type { RunningGateway } from "./gateways.ts";
import { LoadProcess } from "./measure.ts";
import type { Effort, Measured, Target } from "./measure.ts";
import { digits, median, spread, table } from "./report.ts";
import type { Shape } from "./shapes.ts";

const CONNECTIONS = 16;
const ROUNDS = 12;
const SHAPE: Shape = { texts: 1, encoding: "base64" };
const SECONDS = 0.6;

interface Case {
  readonly name: string;
  readonly target: Target;
  readonly more?: Partial<Effort>;
}

/** Markdown: CPU a call, and its ratio to the usual call's right before it. `scale` shortens each measurement. */
export async function measureCases(upstream: string, scale: number): Promise<string> {
  const load = new LoadProcess();
  const running: RunningGateway[] = [];
  try {
    for (const gateway of [EDGE, BARE]) running.push(await gateway.start(upstream));
    const [edge, bare] = running;
    if (edge === undefined || bare === undefined) throw new TypeError("both were started");
    const cases = [...casesOf(edge), { name: "bare product", target: bare }];
    const measure = ({ target, more }: Case, seconds: number, callsMin: number): Promise<Measured> =>
      load.measure(target, SHAPE, { connections: CONNECTIONS, seconds: seconds * scale, callsMin, ...more });
    const usual = { name: "", target: edge };
    // So many that the cache has seen none come back and stops looking (edge/cache/data-centre-record.ts).
    await measure(usual, 2, 400);
    for (const one of cases) await measure(one, 2, 1);
    const taken = new Map<Case, [usual: number, own: number][]>(cases.map((one) => [one, []]));
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [one, pairs] of taken) {
        const before = await measure(usual, SECONDS, 1);
        pairs.push([before.cpuMsPerCall, (await measure(one, SECONDS, 1)).cpuMsPerCall]);
      }
    }
    return report(taken);
  } finally {
    load.stop();
    await Promise.all(running.map((one) => one.stop()));
  }
}

function casesOf(edge: RunningGateway): readonly Case[] {
  const { refusedKeys } = edge;
  if (refusedKeys === undefined) throw new TypeError("this edge tells keys that are refused");
  const withKey = (key: string): Target => ({ ...edge, headers: { authorization: `Bearer ${key}` } });
  return [
    { name: "from the cache", target: edge, more: { repeats: true } },
    { name: "with an `Idempotency-Key`", target: edge, more: { idempotent: true } },
    { name: "refused: a forged key, 401", target: withKey(`gr-${"0".repeat(52)}`), more: { statuses: [401] } },
    { name: "refused: no credit, 402", target: withKey(refusedKeys.poor), more: { statuses: [402] } },
    // One call a minute is served.
    { name: "refused: over its rate, 429", target: withKey(refusedKeys.slow), more: { statuses: [429, 200] } },
  ];
}

function report(taken: ReadonlyMap<Case, readonly [usual: number, own: number][]>): string {
  const all = [...taken];
  const usual = median(all.flatMap(([, pairs]) => pairs.map(([before]) => before)));
  const rows = all.map(([{ name }, pairs]) => [
    name,
    digits(median(pairs.map(([, own]) => own))),
    spread(pairs.map(([before, own]) => own / before)),
  ]);
  const head = ["one text, base64, 16 connections", "CPU a call, ms", "ratio of the pairs"];
  return table(head, [["embedded and charged", digits(usual), "1"], ...rows]);
}
