// A tokenizer thread: loads the checkpoint's tokenizer, then answers one slice after the other. It holds no state
// between slices, so the pool may end it at any moment.

import { parentPort, workerData } from "node:worker_threads";

import { must } from "../../shared/assert.ts";
import { CheckpointError } from "../checkpoint/checkpoint-error.ts";
import { loadTokenizer, type TokenizerLibrary } from "./library.ts";
import type { SliceRequest, TextProblem, TokenizerSetup, WorkerMessage } from "./messages.ts";
import { tokenizeIds, tokenizeText } from "./text-tokenizer.ts";

const port = must(parentPort, "the port to the main thread");
const setup: TokenizerSetup = workerData;

try {
  const library = loadTokenizer(setup.checkpointDir, setup.endTokenId);
  port.on("message", (request: SliceRequest) => {
    const answer = tokenizeSlice(library, request);
    port.postMessage(answer, answer.kind === "ids" ? [answer.ids.buffer, answer.lengths.buffer] : []);
  });
  send({ kind: "ready", longestTokenBytes: library.longestTokenBytes });
} catch (error) {
  if (!(error instanceof CheckpointError)) throw error;
  send({ kind: "unusable", message: error.message });
}

function send(message: WorkerMessage): void {
  port.postMessage(message);
}

type SliceAnswer = Extract<WorkerMessage, { slice: number }>;

function tokenizeSlice(library: TokenizerLibrary, request: SliceRequest): SliceAnswer {
  const { slice, prefix, truncate, inputs } = request;
  const all: Int32Array[] = [];
  const truncated = new Uint8Array(inputs.length);
  let foreignIds = 0;
  for (const [at, input] of inputs.entries()) {
    const result =
      typeof input === "string"
        ? tokenizeText(library, setup, prefix, input, truncate)
        : tokenizeIds(library, setup, input, truncate);
    if (result.kind !== "ids") return { kind: "problem", slice, problem: { ...result, at } satisfies TextProblem };
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
