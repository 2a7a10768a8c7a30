// npm run bench:edge -- --against REF: this edge beside the same edge at a git ref, both running, measured in turn: what
// a change saves is a ratio of pairs in one run, which holds on a busy machine where times do not.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunningGateway } from "./gateways.ts";
import { EDGE, ROOT, edgeIn } from "./gateways.ts";
import type { Effort, Measured } from "./measure.ts";
import { LoadProcess } from "./measure.ts";
import { digits, median, spread, table } from "./report.ts";
import { SHAPES, nameOf } from "./shapes.ts";
import type { Shape } from "./shapes.ts";

const CONNECTIONS = 16;
/** Of short turns: what else the machine does changes within seconds. */
const ROUNDS = 24;

interface Turn {
  readonly shape: Shape;
  readonly before: Measured;
  readonly now: Measured;
}

/** Markdown: CPU per request of both, and the ratio of the pairs. `scale` shortens each measurement. */
export async function against(ref: string, upstream: string, scale: number): Promise<string> {
  const folder = checkout(ref);
  const load = new LoadProcess();
  const running: RunningGateway[] = [];
  try {
    for (const gateway of [edgeIn(folder), EDGE]) running.push(await gateway.start(upstream));
    const [before, now] = running;
    if (before === undefined || now === undefined) throw new TypeError("two edges were started");
    for (const edge of running) for (const shape of SHAPES) await load.measure(edge, shape, warmUp(shape));
    const turns: Turn[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const shape of SHAPES) turns.push(await turn(load, shape, before, now, round % 2 === 0, scale));
    }
    return report(ref, turns);
  } finally {
    load.stop();
    await Promise.all(running.map((edge) => edge.stop()));
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The tree at `ref` in a folder of its own, with the packages that are installed here. */
function checkout(ref: string): string {
  const folder = mkdtempSync(join(tmpdir(), "gigarouter-bench-ref-"));
  const archive = execFileSync("git", ["archive", ref], { cwd: ROOT, maxBuffer: 1024 ** 3 });
  execFileSync("tar", ["-x", "-C", folder], { input: archive });
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  return folder;
}

async function turn(
  load: LoadProcess,
  shape: Shape,
  before: RunningGateway,
  now: RunningGateway,
  isBeforeFirst: boolean,
  scale: number,
): Promise<Turn> {
  const measured = new Map<RunningGateway, Measured>();
  for (const edge of isBeforeFirst ? [before, now] : [now, before]) {
    measured.set(edge, await load.measure(edge, shape, effort(shape, scale)));
  }
  const [first, second] = [measured.get(before), measured.get(now)];
  if (first === undefined || second === undefined) throw new TypeError("both were measured");
  return { shape, before: first, now: second };
}

function effort({ texts }: Shape, scale: number): Effort {
  return { connections: CONNECTIONS, seconds: (texts === 1 ? 0.6 : 1) * scale, callsMin: 1 };
}

/** So many calls of one text that the cache has seen none come back and stops looking (edge/cache/data-centre-record.ts). */
function warmUp(shape: Shape): Effort {
  return { ...effort(shape, 3), callsMin: shape.texts === 1 ? 400 : 1 };
}

function report(ref: string, turns: readonly Turn[]): string {
  const rows = SHAPES.map((shape) => {
    const own = turns.filter((one) => one.shape === shape);
    const perSecond = own.map(({ before, now }) => now.calls / now.seconds / (before.calls / before.seconds));
    return [
      nameOf(shape),
      digits(median(own.map(({ before }) => before.cpuMsPerCall))),
      digits(median(own.map(({ now }) => now.cpuMsPerCall))),
      spread(own.map(({ before, now }) => now.cpuMsPerCall / before.cpuMsPerCall)),
      digits(median(perSecond)),
    ];
  });
  const head = [`${CONNECTIONS} connections`, `${ref}, ms`, "this tree, ms", "CPU ratio", "requests/s ratio"];
  return `CPU per request of the whole process tree, medians of ${ROUNDS} alternating pairs.\n\n${table(head, rows)}\n`;
}
