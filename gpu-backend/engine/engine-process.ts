// Entry of the engine process: owns the session, answers one batch after the other, ends when its parent goes. On a CPU a batch is begun when
// the one before has been answered. A card would stand still meanwhile: its graph has a thread of its own, and a batch that comes
// while another runs is packed and waits there.

import { assert, must, unreachable } from "../../shared/assert.ts";
import { compileSoundly } from "../compiler/compile.ts";
import { sendToParent } from "../send-to-parent.ts";
import { deviceFaultOf, readable } from "./device-fault.ts";
import { type EmbeddedTexts, embedTexts, type RunGraph } from "./embed-texts.ts";
import { GraphSession, type SessionOptions } from "./graph-session.ts";
import { GraphThread } from "./graph-thread.ts";
import { LongText } from "./long-text.ts";
import { rowFormOf } from "./row-form.ts";
import type { CompileRequest, FromEngine, RunMessage, StartMessage, StepMessage, ToEngine } from "./messages.ts";

let started: { readonly session: GraphSession | GraphThread; readonly start: StartMessage } | undefined;
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
    const graph = await (session.target === "cpu" ? GraphSession : GraphThread).open(options);
    started = { session: graph, start: { ...message, session: options } };
    await send({ kind: "ready" });
  } catch (error) {
    const reason = reasonOf(error);
    await send({ kind: "cannot-start", reason: message.session.target === "cpu" ? reason : readable(reason) });
    end();
  }
}

/** At once, whatever runs: an orderly exit would end the graph's thread, which aborts this process in a run. */
function end(): void {
  process.kill(process.pid, "SIGKILL");
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
async function compute(
  session: GraphSession | GraphThread,
  texts: readonly Int32Array[],
  owners: readonly number[],
): Promise<Float32Array> {
  const tokens = texts.reduce((sum, text) => sum + text.length, 0);
  try {
    const rows = await session.run(texts, owners);
    largestRun = Math.max(largestRun, tokens);
    return rows;
  } catch (error) {
    const reason = reasonOf(error);
    const fault = deviceFaultOf(reason);
    const isOver = fault === "lost" || (fault === "memory" && texts.length === 1 && tokens <= largestRun);
    if (!isOver) throw error;
    await send({ kind: "ends", reason: readable(reason) });
    end();
    throw error;
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

interface Embedded extends EmbeddedTexts {
  readonly began: number;
  readonly ended: number;
}

async function embed({ ids, lengths, owners }: RunMessage): Promise<Embedded> {
  assert(started !== undefined, "a batch comes after the start");
  const { session, start: options } = started;
  const began = performance.now();
  const texts: Int32Array[] = [];
  let offset = 0;
  for (const length of lengths) {
    texts.push(ids.subarray(offset, offset + length));
    offset += length;
  }
  const { shape, budget } = options;
  const ownerOf = (index: number): number => must(owners[index], "a text's owner");
  const graph: RunGraph = (batch, indices) => compute(session, batch, indices.map(ownerOf));
  const embedded = await embedTexts(graph, texts, rowFormOf(shape), budget);
  return { ...embedded, began, ended: performance.now() };
}

/** When the batch before had its vectors: what is before is not this one's time. */
let lastEnded = 0;

async function run({ id }: RunMessage, work: Promise<Embedded>): Promise<void> {
  const { vectors, failed, began, ended } = await work;
  const runMs = Math.max(0, ended - Math.max(began, lastEnded));
  lastEnded = Math.max(lastEnded, ended);
  await send({ kind: "result", id, vectors, failed, runMs });
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
  const { vectors, failed } = await embedTexts(vector, [long.ids], rowFormOf(shape), budget);
  await drop(id);
  await send({ kind: "result", id, vectors, failed, runMs: performance.now() - began });
}

async function drop(id: number | undefined): Promise<void> {
  if (long === undefined || long.id !== id) return;
  const { text } = long;
  long = undefined;
  await text.close();
}

/** `early`: a batch's work that is begun. */
function answer(message: ToEngine, early?: Promise<Embedded>): Promise<void> {
  switch (message.kind) {
    case "start":
      return start(message);
    case "run":
      return run(message, early ?? embed(message));
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
  const early = message.kind === "run" && started?.session instanceof GraphThread ? embed(message) : undefined;
  queue = queue.then(() => answer(message, early));
});
process.on("disconnect", end);
// Ctrl-C reaches the whole process group; the parent decides when the engine ends, after it has drained.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
