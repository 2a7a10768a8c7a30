// Delay of the server's event loop under full load, the engine on one thread: p99 should stay under 20 ms.
//   node --import tsx test/bench/backend/event-loop.ts [seconds]
//
// Full load: 24 connections that always have a call in flight (single texts, lists of 64, some of 512), more than the
// engine can do, so that the queue is full and calls are refused as well. The figure is prom-client's, from Node's own
// histogram; that one counts from the last tick of a 10 ms timer, so 10 ms of it are no delay. A second process that does
// nothing is measured at the same time: what it shows is the machine's doing (other programs, too few cores), not ours.

import { fork } from "node:child_process";
import { once } from "node:events";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { fileURLToPath } from "node:url";

import { embedded, post, SECRET, startBackend } from "../../gpu-backend/server/running-backend.ts";

const seconds = Number(process.argv[2] ?? 20);
const TIMER_MS = 10;
const CONNECTIONS = 24;
const words = "the quick brown fox jumps over a lazy dog while rain falls on the plain ".repeat(10);

if (process.argv[2] === "idle") await idle();

const control = fork(fileURLToPath(import.meta.url), ["idle"], { execArgv: ["--import", import.meta.resolve("tsx")] });
await once(control, "message");
const backend = await startBackend([], { QUEUE_SECONDS_MAX: "5" });
await lag(); // resets the histogram
control.send("reset");
const until = performance.now() + seconds * 1_000;
const counts = { answered: 0, refused: 0, tokens: 0 };
await Promise.all(Array.from({ length: CONNECTIONS }, (_, connection) => load(connection)));
const { p99, mean, max } = await lag();
console.log(`${counts.answered} calls answered (${counts.tokens} tokens), ${counts.refused} refused in ${seconds} s`);
console.log(
  `event loop delay: p99 ${p99.toFixed(1)} ms, mean ${mean.toFixed(1)} ms, max ${max.toFixed(1)} ms (timer's ${TIMER_MS} ms taken off)`,
);
control.send("read");
const [idleP99] = await once(control, "message");
console.log(`an idle process beside it: p99 ${Number(idleP99).toFixed(1)} ms`);
control.disconnect();
await backend.close();

/** The control: answers "read" with its own p99. */
async function idle(): Promise<never> {
  const delay = monitorEventLoopDelay({ resolution: TIMER_MS });
  delay.enable();
  process.on("message", (message) => {
    if (message === "reset") delay.reset();
    else process.send?.(delay.percentile(99) / 1e6 - TIMER_MS);
  });
  process.send?.("ready");
  await once(process, "disconnect");
  process.exit(0);
}

async function load(connection: number): Promise<void> {
  const size = connection % 8 === 0 ? 512 : connection % 2 === 0 ? 64 : 1;
  for (let round = 0; performance.now() < until; round += 1) {
    const texts = Array.from({ length: size }, (_, text) =>
      `${connection} ${round} ${text} ${words}`.slice(0, 100 + ((text * 37) % 600)),
    );
    const response = await post(backend.origin, "/embed", { texts, header: { account: `account-${connection % 6}` } });
    if (response.ok) {
      const { answer } = await embedded(response);
      counts.answered += 1;
      counts.tokens += answer.tokens.reduce((sum, tokens) => sum + tokens, 0);
    } else {
      await response.arrayBuffer();
      counts.refused += 1;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function lag(): Promise<{ p99: number; mean: number; max: number }> {
  const response = await fetch(`${backend.origin}/metrics`, { headers: { authorization: `Bearer ${SECRET}` } });
  const text = await response.text();
  const read = (name: string): number =>
    Number(new RegExp(`^nodejs_eventloop_lag_${name}_seconds (\\S+)`, "m").exec(text)?.[1]) * 1_000;
  return { p99: read("p99") - TIMER_MS, mean: read("mean") - TIMER_MS, max: read("max") - TIMER_MS };
}
