// npm run bench:edge [-- --quick] [--only NAME] [--against REF] [--cases] [--frontier]: this edge (auth, metering, limits, cache on) and other gateways, all in front of
// the same upstream: CPU per request, added p50 and p99 at 1, 16 and 64 connections, float and base64, 1 and 100 texts.
// Whole processes alternate; each measurement of a gateway follows one of the bare upstream; medians with their range.
// Prints markdown for docs/performance.md. Linux (/proc) only; under nine minutes.

import { fork } from "node:child_process";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { against } from "./against.ts";
import { measureCases } from "./cases.ts";
import { measureFrontier } from "./frontier.ts";
import { BARE, EDGE, FORWARDER, firstMessage, installedPeers } from "./gateways.ts";
import type { Gateway } from "./gateways.ts";
import { LoadProcess } from "./measure.ts";
import type { Effort, Target } from "./measure.ts";
import type { Pair } from "./report.ts";
import { median, report } from "./report.ts";
import { MODEL, SHAPES, nameOf } from "./shapes.ts";
import type { Shape } from "./shapes.ts";

const CONNECTIONS = [1, 16, 64];
/** Rounds with all connections, then rounds of the pairs at one connection alone. */
const FULL_ROUNDS = 3;
const PAIR_ROUNDS = 7;
/** A load that would take a round longer than this is left out, and said so by a dash. */
const BURST_S_MAX = 4;
/** Slow to start, and to answer: so many rounds, all of them full. */
const SLOW_STARTERS = new Set(["LiteLLM"]);
const SLOW_ROUNDS = 2;
/** No round begins later than this. */
const ROUNDS_MS_MAX = 8 * 60_000;

const { values } = parseArgs({
  options: {
    quick: { type: "boolean" },
    only: { type: "string" },
    against: { type: "string" },
    cases: { type: "boolean" },
    frontier: { type: "boolean" },
  },
});
const scale = values.quick === true ? 0.4 : 1;
const rounds = values.quick === true ? { full: 1, all: 2 } : { full: FULL_ROUNDS, all: PAIR_ROUNDS };

if (process.platform !== "linux") {
  console.error("This bench counts CPU from Linux's /proc: it does not run here.");
  process.exit(1);
}
const begunMs = performance.now();
const gateways = [EDGE, BARE, FORWARDER, ...installedPeers()].filter(
  ({ name }) => values.only === undefined || name.includes(values.only),
);
if (gateways.length < 5 && values.against === undefined)
  console.error("Peers are missing: node test/bench/edge/peers/install.mjs installs them.");
const upstreamProcess = fork(join(import.meta.dirname, "upstream.ts"), { execArgv: ["--import", "tsx"] });
const { port } = (await firstMessage(upstreamProcess)) as { port: number };
const upstream = `http://127.0.0.1:${port}`;
const other = otherMeasurement();
if (other !== undefined) {
  console.log(await other);
  process.exit();
}
const bare: Target = { url: `${upstream}/v1/embeddings`, headers: {}, pid: undefined };

const pairs = new Map<Gateway, Pair[]>(gateways.map((gateway) => [gateway, []]));
const hits: number[] = [];
for (let round = 0; round < rounds.all; round += 1) {
  for (const gateway of gateways) {
    const isFull = round < rounds.full;
    const isLate = performance.now() - begunMs > ROUNDS_MS_MAX;
    if (!isLate && (!SLOW_STARTERS.has(gateway.name) || round < Math.min(SLOW_ROUNDS, rounds.full))) {
      await runRound(gateway, isFull);
    }
  }
}
upstreamProcess.disconnect();
print();

/** What stands in another file, where it was asked for instead. */
function otherMeasurement(): Promise<string> | undefined {
  if (values.against !== undefined) return against(values.against, upstream, scale);
  if (values.cases === true) return measureCases(upstream, scale);
  return values.frontier === true ? measureFrontier(upstream, scale) : undefined;
}

async function runRound(gateway: Gateway, isFull: boolean): Promise<void> {
  const started = await gateway.start(upstream);
  const load = new LoadProcess();
  try {
    for (const shape of SHAPES) await load.measure(started, shape, warmUp(shape));
    for (const shape of SHAPES) {
      for (const connections of isFull ? CONNECTIONS : [1]) {
        const pair = await measurePair(load, started, shape, connections, pairsOf(gateway));
        if (pair !== undefined) pairsOf(gateway).push(pair);
      }
    }
    const [shape] = SHAPES;
    if (gateway === EDGE && shape !== undefined) {
      const hit = await load.measure(started, shape, { ...effort(1, 0.5), repeats: true });
      hits.push(hit.p50Ms - (await load.measure(bare, shape, effort(1, 0.5))).p50Ms);
    }
  } finally {
    load.stop();
    await started.stop();
  }
  const seconds = Math.round((performance.now() - begunMs) / 1000);
  console.error(`${seconds} s: ${gateway.name}, ${isFull ? "all" : "one connection"}`);
}

async function measurePair(
  load: LoadProcess,
  target: Target,
  shape: Shape,
  connections: number,
  before: readonly Pair[],
): Promise<Pair | undefined> {
  const alone = before.findLast((pair) => pair.shape === shape && pair.connections === 1);
  const burstS = ((alone?.through.p50Ms ?? 0) * connections) / 1000;
  if (connections > 1 && burstS > BURST_S_MAX) return undefined;
  const seconds = connections === 1 ? 1 : 1.2;
  const first = await load.measure(bare, shape, effort(connections, seconds * 0.6));
  const through = await load.measure(target, shape, effort(connections, seconds));
  return { shape, connections, bare: first, through };
}

function effort(connections: number, seconds: number): Effort {
  return { connections, seconds: seconds * scale, callsMin: connections === 1 ? 3 : 1 };
}

/** Long enough for code to be compiled and caches to settle: what is measured is a gateway that has run for a while. */
function warmUp({ texts }: Shape): Effort {
  return texts === 1 ? { connections: 8, seconds: 2.5, callsMin: 1 } : { connections: 2, seconds: 0.6, callsMin: 1 };
}

function pairsOf(gateway: Gateway): Pair[] {
  return pairs.get(gateway) ?? [];
}

function print(): void {
  const figures = gateways.map((gateway) => ({ ...gateway, pairs: pairsOf(gateway) }));
  const [model = "unknown"] = cpus().map((cpu) => cpu.model);
  console.log(
    `\`npm run bench:edge${values.quick === true ? " -- --quick" : ""}\`, ${cpus().length} cores (${model}), Node ${process.versions.node}, ${MODEL}: medians (least to most, number of pairs); whole processes alternating.\n`,
  );
  console.log(report(figures, SHAPES, CONNECTIONS));
  const [shape] = SHAPES;
  if (shape !== undefined && hits.length > 0) {
    console.log(
      `A cache hit in the isolate's memory, ${nameOf(shape)}, 1 connection: ${median(hits).toFixed(2)} ms over the bare upstream (median of ${hits.length}).`,
    );
  }
}
