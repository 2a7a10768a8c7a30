// Entry of the thread that GraphThread starts: opens a session, runs one batch after the other.

import { parentPort, workerData } from "node:worker_threads";

import { must } from "../../shared/assert.ts";
import type { BatchInputs } from "./batch-inputs.ts";
import { GraphSession } from "./graph-session.ts";

export type FromGraphThread =
  | { readonly kind: "opened" }
  | { readonly kind: "ran"; readonly rows: Float32Array<ArrayBuffer> }
  | { readonly kind: "failed"; readonly reason: string };

const port = must(parentPort, "the thread's parent");

async function answer(work: () => Promise<FromGraphThread>): Promise<void> {
  try {
    const message = await work();
    // Moved, not copied: the next run waits for it.
    port.postMessage(message, message.kind === "ran" ? [message.rows.buffer] : []);
  } catch (error) {
    port.postMessage({ kind: "failed", reason: error instanceof Error ? error.message : String(error) });
  }
}

let session: GraphSession | undefined;
await answer(async () => {
  session = await GraphSession.open(workerData);
  return { kind: "opened" };
});
let queue = Promise.resolve();
port.on("message", (batch: BatchInputs) => {
  queue = queue.then(() =>
    answer(async () => ({ kind: "ran", rows: await must(session, "a session that was opened").runPacked(batch) })),
  );
});
