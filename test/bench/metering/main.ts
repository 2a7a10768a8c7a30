// npm run bench:metering: the CPU that key, wallet and limits take of a request: `POST /v1/embeddings` as it is against
// the same route without them, in one workerd, alternating, medians. Counted is the CPU of workerd's process, which runs
// the Worker and the account's object: both sides of every report are in it. Calls are hits in isolate memory, so that
// nothing else is of the same size.

import { Miniflare } from "miniflare";
import type { Readable } from "node:stream";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeBackendServer } from "../../support/fake-backend-server.ts";
import { TEST_BINDINGS } from "../../support/test-bindings.ts";
import { LoadProcess } from "../edge/measure.ts";
import type { Measured } from "../edge/measure.ts";
import { DIMENSIONS, MODEL } from "../edge/shapes.ts";
import { bundleWorker } from "../../../scripts/dev-server/worker-bundle.ts";
import { childrenOf } from "../../../scripts/dev-server/processes.ts";

const ROUNDS = 9;
/** Rounds until the code is compiled. */
const WARM_UP = 3;
const CALLS_A_ROUND = 3000;
const CONNECTIONS = 8;
const SHAPE = { texts: 1, encoding: "base64" } as const;

const folder = await mkdtemp(join(tmpdir(), "bench-metering-"));
const backend = new FakeBackendServer({ model: MODEL, secret: TEST_BINDINGS.BACKEND_SECRET, dimensions: DIMENSIONS });
await backend.start();
const script = await bundleWorker(new URL("worker/worker.ts", import.meta.url).pathname);
const miniflare = new Miniflare({
  modules: [{ type: "ESModule", path: "worker.mjs", contents: script }],
  compatibilityDate: "2026-04-24",
  compatibilityFlags: ["nodejs_compat", "enable_request_signal"],
  durableObjects: { ACCOUNT: { className: "AccountObject", useSQLite: true } },
  durableObjectsPersist: folder,
  kvNamespaces: { EMBEDDING_CACHE: "cache" },
  d1Databases: { DIRECTORY: "directory" },
  bindings: { ...TEST_BINDINGS, BACKENDS: JSON.stringify([{ model: MODEL, origin: backend.origin }]) },
  // The Worker's own socket: Miniflare's workers in front of it have no counterpart in production.
  unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
  cf: false,
  handleRuntimeStdio(stdout: Readable, stderr: Readable) {
    for (const stream of [stdout, stderr]) stream.resume();
  },
});
const load = new LoadProcess();

try {
  await miniflare.ready;
  const origin = (await miniflare.unsafeGetDirectURL()).origin;
  const [pid] = childrenOf(process.pid, /workerd/);
  const { key } = (await (await fetch(`${origin}/account`, { method: "POST" })).json()) as { key: string };
  const effort = { connections: CONNECTIONS, seconds: 0, callsMin: CALLS_A_ROUND / CONNECTIONS, repeats: true };
  const measure = (path: string) =>
    load.measure({ url: origin + path, headers: { authorization: `Bearer ${key}` }, pid }, SHAPE, effort);
  const rounds: { readonly bare: Measured; readonly metered: Measured }[] = [];
  for (let round = 0; round < ROUNDS + WARM_UP; round += 1) {
    // The order turns, so that whatever grows or falls over time meets both.
    const first = round % 2 === 0 ? await measure("/bare") : await measure("/metered");
    const second = round % 2 === 0 ? await measure("/metered") : await measure("/bare");
    if (round >= WARM_UP)
      rounds.push(round % 2 === 0 ? { bare: first, metered: second } : { bare: second, metered: first });
  }
  const line = (name: string, values: readonly number[], unit: string, digits: number) => {
    const sorted = values.toSorted((a, b) => a - b);
    const at = (index: number) => (sorted[index] ?? 0).toFixed(digits);
    console.log(`| ${name} | ${at(sorted.length >> 1)} ${unit} | ${at(0)} to ${at(sorted.length - 1)} |`);
  };
  console.log(`${ROUNDS} alternating rounds of ${CALLS_A_ROUND} calls each, ${CONNECTIONS} connections\n`);
  console.log("| what | median | range |\n| --- | --- | --- |");
  const us = (measured: Measured) => measured.cpuMsPerCall * 1000;
  line(
    "CPU a call, without key, wallet and limits",
    rounds.map(({ bare }) => us(bare)),
    "µs",
    0,
  );
  line(
    "CPU a call, as it is",
    rounds.map(({ metered }) => us(metered)),
    "µs",
    0,
  );
  line(
    "added, round by round",
    rounds.map(({ bare, metered }) => us(metered) - us(bare)),
    "µs",
    0,
  );
  line(
    "p50 without",
    rounds.map(({ bare }) => bare.p50Ms),
    "ms",
    2,
  );
  line(
    "p50 as it is",
    rounds.map(({ metered }) => metered.p50Ms),
    "ms",
    2,
  );
} finally {
  load.stop();
  await Promise.all([miniflare.dispose(), backend.stop()]);
  await rm(folder, { recursive: true, force: true });
}
