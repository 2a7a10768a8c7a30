// Entry of the engine process: owns the session, answers one batch after the other, ends when its parent goes.

import { assert, must, unreachable } from "../../shared/assert.ts";
import { compileSoundly } from "../compiler/compile.ts";
import { sendToParent } from "../send-to-parent.ts";
import { deviceFaultOf, readable } from "./device-fault.ts";
import { embedTexts } from "./embed-texts.ts";
import { GraphSession, type SessionOptions } from "./graph-session.ts";
import { LongText } from "./long-text.ts";
import type { CompileRequest, FromEngine, RunMessage, StartMessage, StepMessage, ToEngine } from "./messages.ts";

let started: { readonly session: GraphSession; readonly start: StartMessage } | undefined;
/** The long text that is in progress. */
let long: { readonly id: number; readonly ids: Int32Array; readonly text: LongText } | undefined;
/** Batches are answered in the order they came, one at a time. */
let queue: Promise<void> = Promise.resolve();

const send = (message: FromEngine): Promise<void> => sendToParent(message);

async function start(message: StartMessage): Promise<void> {
  try {
    const { session, compile } = message;
    const graphPath = compile === undefined ? session.graphPath : await compiled(compile, session);
    const options = { ...session, graphPath };
    started = { session: await GraphSession.open(options), start: { ...message, session: options } };
    await send({ kind: "ready" });
  } catch (error) {
    const reason = reasonOf(error);
    await send({ kind: "cannot-start", reason: message.session.target === "cpu" ? reason : readable(reason) });
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

/** Tokens of the largest run that this process has done. */
let largestRun = 0;

/**
 * As GraphSession.run. Does not come back where the card is lost, or where a text alone finds less memory than an earlier run
 * had: only a new process has a new context and all the memory.
 */
async function compute(session: GraphSession, texts: readonly Int32Array[]): Promise<Float32Array> {
  const tokens = texts.reduce((sum, text) => sum + text.length, 0);
  try {
    const rows = await session.run(texts);
    largestRun = Math.max(largestRun, tokens);
    return rows;
  } catch (error) {
    const reason = reasonOf(error);
    const fault = deviceFaultOf(reason);
    const isOver = fault === "lost" || (fault === "memory" && texts.length === 1 && tokens <= largestRun);
    if (!isOver) throw error;
    await send({ kind: "ends", reason: readable(reason) });
    return process.exit(1);
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
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
    (batch) => compute(session, batch),
    texts,
    options.shape.dimensions,
    options.budget,
  );
  await send({ kind: "result", id, vectors, failed, runMs: performance.now() - began });
}

async function step({ id, ids }: StepMessage): Promise<void> {
  assert(started !== undefined, "a text comes after the start");
  const { session, shape, budget } = started.start;
  const began = performance.now();
  if (ids !== undefined) {
    await drop(long?.id);
    long = { id, ids, text: new LongText(ids, session, shape) };
  }
  assert(long?.id === id, "a chunk is the next one of the text in progress");
  const [outcome] = await Promise.allSettled([long.text.step()]);
  if (outcome.status === "fulfilled" && outcome.value === undefined) {
    await send({ kind: "stepped", id, runMs: performance.now() - began });
    return;
  }
  // The same checks and rounding as for any text.
  const vector = async (): Promise<Float32Array> => {
    if (outcome.status === "rejected") throw outcome.reason;
    return must(outcome.value, "a vector after the last chunk");
  };
  const { vectors, failed } = await embedTexts(vector, [long.ids], shape.dimensions, budget);
  await drop(id);
  await send({ kind: "result", id, vectors, failed, runMs: performance.now() - began });
}

async function drop(id: number | undefined): Promise<void> {
  if (long === undefined || long.id !== id) return;
  const { text } = long;
  long = undefined;
  await text.close();
}

function answer(message: ToEngine): Promise<void> {
  switch (message.kind) {
    case "start":
      return start(message);
    case "run":
      return run(message);
    case "step":
      return step(message);
    case "drop":
      return drop(message.id);
    case "ping":
      return send({ kind: "pong" });
    default:
      return unreachable(message);
  }
}

process.on("message", (message: ToEngine) => {
  queue = queue.then(() => answer(message));
});
process.on("disconnect", () => process.exit(0));
// Ctrl-C reaches the whole process group; the parent decides when the engine ends, after it has drained.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
