// A tokenizer process: loads the checkpoint's tokenizer, then answers one slice after the other. It holds no state
// between slices, so the pool may end it at any moment. A process and not a thread, because the library is native: a
// thread in it cannot be ended, and its faults end the process they happen in.

import { assert, must } from "../../shared/assert.ts";
import { CheckpointError } from "../checkpoint/checkpoint-error.ts";
import type { TokenEncoding } from "../../shared/wire.ts";
import { foreignEncoding, type ForeignEncoding } from "./foreign-encoding.ts";
import { loadTokenizer, type TokenizerLibrary } from "./library.ts";
import type {
  ProcessMessage,
  SliceRequest,
  TextProblem,
  TokenizerInput,
  TokenizerSetup,
  ToTokenizer,
} from "./messages.ts";
import { type PairQuery, type PairTokenizer, pairTokenizer } from "./pair.ts";
import { type TokenizedIds, type TokenizedText, tokenizeIds, tokenizeText } from "./text-tokenizer.ts";

/** Runs on which a regular expression that backtracks without end shows itself before the process counts as ready. */
const SAMPLES = ["a", "A", "1", " ", "\n", "!", "a ", "a1", "ab!", "\u4e2d"].map((run) => run.repeat(64));
const NO_IDS = new Int32Array();

interface Ready {
  readonly library: TokenizerLibrary;
  readonly setup: TokenizerSetup;
  readonly pairs: PairTokenizer | undefined;
}

let ready: Ready | undefined;
/** The query that was asked for last: the documents of a call have one. */
let lastQuery: (PairQuery & { readonly documents: ReturnType<PairTokenizer["of"]> }) | undefined;

process.on("message", (message: ToTokenizer) => {
  void (message.kind === "setup" ? load(message.setup) : answer(message.request));
});
process.on("disconnect", () => process.exit(0));
// Ctrl-C reaches the whole process group; the parent decides when this process ends.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);

async function load(setup: TokenizerSetup): Promise<void> {
  try {
    const library = await loadTokenizer(setup.checkpointDir, setup.endTokenId, setup.vocabSize);
    for (const sample of SAMPLES) await library.encode(sample);
    const { checkpointDir, pairs: form } = setup;
    const pairs = form && (await pairTokenizer(checkpointDir, library, setup, form));
    ready = { library, setup, pairs };
    send({ kind: "ready", pairs: pairs?.facts });
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    send({ kind: "unusable", message: error.message });
  }
}

function send(message: ProcessMessage): void {
  process.send?.(message);
}

async function answer(request: SliceRequest): Promise<void> {
  const { encoding } = request;
  const foreign = encoding === undefined ? undefined : await foreignEncoding(encoding);
  send(await tokenizeSlice(request, foreign));
}

type SliceAnswer = Extract<ProcessMessage, { slice: number }>;

async function tokenizeSlice(request: SliceRequest, foreign: ForeignEncoding | undefined): Promise<SliceAnswer> {
  const { slice, inputs, onError } = request;
  const query = request.pair && (await readQuery(request.pair));
  if (query !== undefined) {
    // Without it there is nothing for any document.
    if (query.kind !== "documents") return { kind: "problem", slice, problem: { ...query, at: 0, ofQuery: true } };
    send({ kind: "query", slice });
  }
  const all: Int32Array[] = [];
  const problems: TextProblem[] = [];
  const truncated = new Uint8Array(inputs.length);
  let foreignIds = 0;
  for (const [at, input] of inputs.entries()) {
    const result = await tokenizeInput(request, input, foreign, query?.tokenize);
    if (result.kind !== "ids") {
      const problem = { ...result, at };
      if (onError === "fail") return { kind: "problem", slice, problem };
      problems.push(problem);
      all.push(NO_IDS);
      continue;
    }
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
  return { kind: "ids", slice, ids, lengths, truncated, foreignIds, problems };
}

type ReadQuery = Awaited<ReturnType<PairTokenizer["of"]>> | { readonly kind: "failed" };
type TokenizeDocument = Extract<ReadQuery, { kind: "documents" }>["tokenize"];

/** The query that a call's slices have in common is read once. */
async function readQuery({ instruction, query }: PairQuery): Promise<ReadQuery> {
  const pairs = must(ready?.pairs, "a reranker's tokenizer");
  if (lastQuery?.query !== query || lastQuery.instruction !== instruction)
    lastQuery = { instruction, query, documents: pairs.of({ instruction, query }) };
  try {
    return await lastQuery.documents;
  } catch (error) {
    return failed(error);
  }
}

type InputResult =
  | TokenizedText
  | TokenizedIds
  | { readonly kind: "not_in_encoding"; readonly id: number; readonly encoding: TokenEncoding }
  | { readonly kind: "failed" };

/** `tokenize`: of a pair's document. */
async function tokenizeInput(
  { prefix, truncate }: SliceRequest,
  input: TokenizerInput,
  foreign: ForeignEncoding | undefined,
  tokenize: TokenizeDocument | undefined,
): Promise<InputResult> {
  const { library, setup } = must(ready, "a tokenizer before the first slice");
  try {
    if (tokenize !== undefined) {
      assert(typeof input === "string" && truncate !== "start", "documents are strings that lose their ends alone");
      return await tokenize(input, truncate);
    }
    const text = typeof input === "string" || foreign === undefined ? input : foreign.decode(input);
    if (typeof text === "string") return await tokenizeText(library, setup, prefix, text, truncate);
    if ("unknown" in text) return { kind: "not_in_encoding", id: text.unknown, encoding: text.encoding };
    return await tokenizeIds(library, setup, text, truncate);
  } catch (error) {
    return failed(error);
  }
}

/** One text's fault must not end the process, which would be reported as a text that takes too long. */
function failed(error: unknown): { readonly kind: "failed" } {
  if (!(error instanceof Error)) throw error;
  return { kind: "failed" };
}
