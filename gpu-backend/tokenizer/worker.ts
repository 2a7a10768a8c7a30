// A tokenizer thread: loads the checkpoint's tokenizer, then answers one slice after the other. It holds no state
// between slices, so the pool may end it at any moment.

import { parentPort, workerData } from "node:worker_threads";

import { must } from "../../shared/assert.ts";
import { CheckpointError } from "../checkpoint/checkpoint-error.ts";
import { foreignEncoding, type ForeignEncoding } from "./foreign-encoding.ts";
import { loadTokenizer, type TokenizerLibrary } from "./library.ts";
import type { SliceRequest, TextProblem, TokenizerSetup, WorkerMessage } from "./messages.ts";
import { tokenizeIds, tokenizeText } from "./text-tokenizer.ts";

const port = must(parentPort, "the port to the main thread");
const setup: TokenizerSetup = workerData;

try {
  const library = loadTokenizer(setup.checkpointDir, setup.endTokenId);
  port.on("message", (request: SliceRequest) => void answer(library, request));
  send({ kind: "ready", longestTokenBytes: library.longestTokenBytes });
} catch (error) {
  if (!(error instanceof CheckpointError)) throw error;
  send({ kind: "unusable", message: error.message });
}

function send(message: WorkerMessage): void {
  port.postMessage(message);
}

async function answer(library: TokenizerLibrary, request: SliceRequest): Promise<void> {
  const { encoding } = request;
  const message = tokenizeSlice(library, request, encoding === undefined ? undefined : await foreignEncoding(encoding));
  port.postMessage(message, message.kind === "ids" ? [message.ids.buffer, message.lengths.buffer] : []);
}

type SliceAnswer = Extract<WorkerMessage, { slice: number }>;

function tokenizeSlice(
  library: TokenizerLibrary,
  request: SliceRequest,
  foreign: ForeignEncoding | undefined,
): SliceAnswer {
  const { slice, prefix, truncate, inputs } = request;
  const all: Int32Array[] = [];
  const truncated = new Uint8Array(inputs.length);
  let foreignIds = 0;
  for (const [at, input] of inputs.entries()) {
    const text = typeof input === "string" || foreign === undefined ? input : foreign.decode(input);
    if (typeof text === "object" && "unknown" in text) {
      const { unknown: id, encoding } = text;
      return { kind: "problem", slice, problem: { kind: "not_in_encoding", at, id, encoding } };
    }
    const result =
      typeof text === "string"
        ? tokenizeText(library, setup, prefix, text, truncate)
        : tokenizeIds(library, setup, text, truncate);
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
