// Entry of the engine process: owns the session, answers one batch after the other, ends when its parent goes.

import { assert } from "../../shared/assert.ts";
import { compileSoundly } from "../compiler/compile.ts";
import { embedTexts } from "./embed-texts.ts";
import { GraphSession, type SessionOptions } from "./graph-session.ts";
import type { CompileRequest, FromEngine, RunMessage, StartMessage, ToEngine } from "./messages.ts";

let started: { readonly session: GraphSession; readonly start: StartMessage } | undefined;
/** Batches are answered in the order they came, one at a time. */
let queue: Promise<void> = Promise.resolve();

/**
 * Resolves when the message has left this process: the next run blocks the event loop, and what was not written before
 * it would wait until its end.
 */
function send(message: FromEngine): Promise<void> {
  return new Promise((resolve) => {
    process.send?.(message, undefined, undefined, () => resolve());
  });
}

async function start(message: StartMessage): Promise<void> {
  try {
    const { session, compile } = message;
    const graphPath = compile === undefined ? session.graphPath : await compiled(compile, session);
    started = { session: await GraphSession.open({ ...session, graphPath }), start: message };
    await send({ kind: "ready" });
  } catch (error) {
    await send({ kind: "cannot-start", reason: error instanceof Error ? error.message : String(error) });
    process.exit(1);
  }
}

async function compiled(
  { checkpointDir, precision, cacheDir }: CompileRequest,
  { target, cudaWeights }: SessionOptions,
): Promise<string> {
  const model = await compileSoundly(checkpointDir, { target, precision, cudaWeights, cacheDir });
  return model.graphPath;
}

async function run({ id, ids, lengths }: RunMessage): Promise<void> {
  assert(started !== undefined, "a batch comes after the start");
  const { session, start: options } = started;
  const began = performance.now();
  const texts: Int32Array[] = [];
  let offset = 0;
  for (const length of lengths) {
    texts.push(ids.subarray(offset, offset + length));
    offset += length;
  }
  const { vectors, failed } = await embedTexts(
    (batch) => session.run(batch),
    texts,
    options.hiddenSize,
    options.budget,
  );
  await send({ kind: "result", id, vectors, failed, runMs: performance.now() - began });
}

process.on("message", (message: ToEngine) => {
  queue = queue.then(() => (message.kind === "start" ? start(message) : run(message)));
});
process.on("disconnect", () => process.exit(0));
// Ctrl-C reaches the whole process group; the parent decides when the engine ends, after it has drained.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
