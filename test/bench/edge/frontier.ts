// npm run bench:edge -- --frontier: how many requests/s each system serves within a latency, from one sweep of
// connections, and how its memory grows meanwhile.

import { BARE, EDGE, FORWARDER, installedPeers } from "./gateways.ts";
import { LoadProcess } from "./measure.ts";
import type { Measured } from "./measure.ts";
import { treeMib } from "./process-tree.ts";
import { digits, table } from "./report.ts";
import type { Shape } from "./shapes.ts";

const SWEEP = [1, 2, 4, 8, 16, 32, 64];
const P99_MS = [1, 5, 10, 50];
const SHAPE: Shape = { texts: 1, encoding: "base64" };
const SECONDS = 4;
const MS_PER_MINUTE = 60_000;

/** Markdown: the best of the sweep whose p99 is at most each limit, `–` where none is. `scale` shortens all. */
export async function measureFrontier(upstream: string, scale: number): Promise<string> {
  const rows: string[][] = [];
  for (const gateway of [EDGE, BARE, FORWARDER, ...installedPeers()]) {
    const load = new LoadProcess();
    const started = await gateway.start(upstream);
    const measure = (connections: number, seconds: number): Promise<Measured> =>
      load.measure(started, SHAPE, { connections, seconds: seconds * scale, callsMin: 1 });
    try {
      await measure(16, 2 * SECONDS);
      const [mib, begunMs] = [treeMib(started.pid), performance.now()];
      const sweep: Measured[] = [];
      for (const connections of SWEEP) sweep.push(await measure(connections, SECONDS));
      const perMinute = (treeMib(started.pid) - mib) / ((performance.now() - begunMs) / MS_PER_MINUTE);
      rows.push([gateway.name, ...P99_MS.map((limit) => best(sweep, limit)), digits(perMinute)]);
    } finally {
      load.stop();
      await started.stop();
    }
  }
  const limits = P99_MS.map((limit) => `p99 ≤ ${limit} ms`);
  return table(["requests/s, one text, base64", ...limits, "memory, MiB a minute"], rows);
}

function best(sweep: readonly Measured[], limitMs: number): string {
  const rates = sweep.filter(({ p99Ms }) => p99Ms <= limitMs).map(({ calls, seconds }) => calls / seconds);
  return rates.length === 0 ? "–" : digits(Math.max(...rates));
}
