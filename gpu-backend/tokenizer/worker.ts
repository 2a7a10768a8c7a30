// A tokenizer thread: loads the checkpoint's tokenizer, then answers one slice after the other. It holds no state
// between slices, so the pool may end it at any moment.

import { parentPort, workerData } from "node:worker_threads";

import { must } from "../../shared/assert.ts";
import { CheckpointError } from "../checkpoint/checkpoint-error.ts";
import type { TokenEncoding } from "../../shared/wire.ts";
import { foreignEncoding, type ForeignEncoding } from "./foreign-encoding.ts";
import { loadTokenizer, type TokenizerLibrary } from "./library.ts";
import type { SliceRequest, TokenizerInput, TokenizerSetup, WorkerMessage } from "./messages.ts";
import { type TokenizedIds, type TokenizedText, tokenizeIds, tokenizeText } from "./text-tokenizer.ts";

const port = must(parentPort, "the port to the main thread");
const setup: TokenizerSetup = workerData;

/** Runs on which a regular expression that backtracks without end shows itself before the thread counts as ready. */
const SAMPLES = ["a", "A", "1", " ", "\n", "!", "a ", "a1", "ab!", "\u4e2d"].map((run) => run.repeat(64));

try {
  const library = loadTokenizer(setup.checkpointDir, setup.endTokenId, setup.vocabSize);
  for (const sample of SAMPLES) library.encode(sample);
  port.on("message", (request: SliceRequest) => void answer(library, request));
  send({ kind: "ready" });
} catch (error) {
  if (!(error instanceof CheckpointError)) throw error;
  send({ kind: "unusable", message: error.message });
}

function send(message: WorkerMessage): void {
  port.postMessage(message);
}

async function answer(library: TokenizerLibrary, request: SliceRequest): Promise<void> {
  const { encoding } = request;
  const foreign = encoding === undefined ? undefined : await foreignEncoding(encoding);
  const message = tokenizeSlice(library, request, foreign);
  port.postMessage(message, message.kind === "ids" ? [message.ids.buffer, message.lengths.buffer] : []);
}

type SliceAnswer = Extract<WorkerMessage, { slice: number }>;

function tokenizeSlice(
  library: TokenizerLibrary,
  request: SliceRequest,
  foreign: ForeignEncoding | undefined,
): SliceAnswer {
  const { slice, inputs } = request;
  const all: Int32Array[] = [];
  const truncated = new Uint8Array(inputs.length);
  let foreignIds = 0;
  for (const [at, input] of inputs.entries()) {
    const result = tokenizeInput(library, request, input, foreign);
    if (result.kind !== "ids") return { kind: "problem", slice, problem: { ...result, at } };
    all.push(result.ids);
    truncated[at] = result.truncated ? 1 : 0;
    if ("survives" in result && !result.survives) foreignIds += 1;
  }
  const lengths = Uint32Array.from(all, (ids) => ids.length);
  const ids = new Int32Array(lengths.reduce((sum, length) => sum + length, 0));
  let offset = 0;
  for (const part of all) {
    ids.set(part, offset);
    offset += part.length;
  }
  return { kind: "ids", slice, ids, lengths, truncated, foreignIds };
}

type InputResult =
  | TokenizedText
  | TokenizedIds
  | { readonly kind: "not_in_encoding"; readonly id: number; readonly encoding: TokenEncoding }
  | { readonly kind: "failed" };

function tokenizeInput(
  library: TokenizerLibrary,
  { prefix, truncate }: SliceRequest,
  input: TokenizerInput,
  foreign: ForeignEncoding | undefined,
): InputResult {
  try {
    const text = typeof input === "string" || foreign === undefined ? input : foreign.decode(input);
    if (typeof text === "string") return tokenizeText(library, setup, prefix, text, truncate);
    if ("unknown" in text) return { kind: "not_in_encoding", id: text.unknown, encoding: text.encoding };
    return tokenizeIds(library, setup, text, truncate);
  } catch (error) {
    // One text's fault must not end the thread, which would be reported as a text that takes too long.
    if (!(error instanceof Error)) throw error;
    return { kind: "failed" };
  }
}
