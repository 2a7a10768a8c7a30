// The messages between edge and backend, inside frames (frame.ts) over HTTP:
//
//   POST /embed           EmbedRequest + token ids  →  EmbedAnswer + canonical vectors
//   POST /tokenize        EmbedRequest + token ids  →  TokenizeAnswer + token ids
//   POST /score           ScoreRequest  →  ScoreAnswer + scores
//   POST /score/tokenize  ScoreRequest  →  TokenizeAnswer + token ids of each pair
//   GET  /ready?model=NAME  →  200 or 503, JSON BackendReady; without a name, of the first that the backend serves
//
// A backend's model is an embedding model (the first two) or a reranker (the next two), and refuses the other routes.
//
// HTTP headers of a request: `Authorization: Bearer BACKEND_SECRET`, `x-request-id`, `x-deadline-ms` (the remaining
// duration, so that the two clocks are never compared), `traceparent`. A refusal is JSON `{error: BackendFault}` with
// the status of its code (errors.ts). One answer holds vectors of exactly one revision.

import * as z from "zod";
import { isErrorCode } from "./errors.ts";
import type { ErrorCode } from "./errors.ts";
import { REVISION_RULE, parseRevision } from "./ids.ts";

export const WIRE_VERSION = 1;
export const DEADLINE_HEADER = "x-deadline-ms";
export const REQUEST_ID_HEADER = "x-request-id";

export const TIERS = ["interactive", "batch"] as const;
export type Tier = (typeof TIERS)[number];
export const TOKEN_ENCODINGS = ["cl100k_base", "o200k_base"] as const;
export type TokenEncoding = (typeof TOKEN_ENCODINGS)[number];
export const TRUNCATIONS = ["none", "end", "start"] as const;
export type Truncation = (typeof TRUNCATIONS)[number];
/** What one bad text does to its call: it fails it, or has a fault in its place. */
export const ON_ERROR = ["fail", "per_item"] as const;
export type OnError = (typeof ON_ERROR)[number];

export const revisionSchema = z.string({ error: () => REVISION_RULE }).transform((text, context) => {
  const parsed = parseRevision(text);
  if (parsed !== undefined) return parsed;
  context.addIssue({ code: "custom", message: REVISION_RULE });
  return z.NEVER;
});
const count = z.number().int().nonnegative();

/**
 * One call's texts. `texts[i]` is a string, or a number n: the next n little-endian uint32 of the payload are its token
 * ids. `prefix` is the instruction (`Instruct: …\nQuery:`), put before every string; truncation at the start keeps it.
 */
export const embedRequestSchema = z.object({
  version: z.literal(WIRE_VERSION),
  model: z.string(),
  /** The backend refuses with `model_not_ready` if it has another revision; null: any will do. */
  revision: z.nullable(revisionSchema),
  /** An opaque name of the account, for fair queueing; not the account's id. */
  account: z.string(),
  tier: z.enum(TIERS),
  truncate: z.enum(TRUNCATIONS),
  prefix: z.string(),
  texts: z.array(z.union([z.string(), count])),
  /** The encoding of the token ids, which the backend decodes to text first; absent: the model's own ids. */
  encoding: z.enum(TOKEN_ENCODINGS).optional(),
  /** Absent: a text at fault fails the call. */
  onError: z.enum(ON_ERROR).optional(),
});
export type EmbedRequest = z.infer<typeof embedRequestSchema>;

/** Reported in every frame and in /ready: seconds of waiting and running work, by the fitted cost model. */
export interface BackendLoad {
  readonly queueSeconds: number;
}
const loadSchema = z.object({ queueSeconds: z.number().nonnegative() });

/**
 * A refusal by the backend. `index` is the text at fault, or the document; the edge translates it into the caller's terms. A
 * fault of the query (or its instruction) has no index, and the fact `query`: 1.
 */
export interface BackendFault {
  readonly code: ErrorCode;
  readonly message: string;
  readonly index: number | null;
  /** Facts for the edge's own message: tokens counted, limits. */
  readonly facts: Readonly<Record<string, number>>;
  readonly retryAfterS: number | null;
}
const faultSchema = z.object({
  code: z.string().refine(isErrorCode),
  message: z.string(),
  index: z.nullable(count),
  facts: z.record(z.string(), z.number()),
  retryAfterS: z.nullable(z.number().int().positive()),
});
export const backendFaultSchema = z.object({ error: faultSchema });

/** Why there is nothing for one text of a call that has answers for others. */
export interface ItemFault extends BackendFault {
  readonly index: number;
}
/** Of a call with `onError: "per_item"`, in order, each text at most once; such a text has 0 tokens. Absent: none. */
const faultsSchema = z.array(faultSchema.extend({ index: count })).optional();

/**
 * Payload: canonical vectors, float16 bits little-endian, [texts without a fault, dimensions], in the order of the texts;
 * an odd number of values is padded to a whole 32-bit word.
 */
export const embedAnswerSchema = z.object({
  version: z.literal(WIRE_VERSION),
  revision: revisionSchema,
  dimensions: z.number().int().positive(),
  /** For each text: the ids that the model read after truncation, prefix and ending token included. */
  tokens: z.array(count),
  /** For each text: whether anything was cut off (such a vector is never cached). */
  truncated: z.array(z.boolean()),
  faults: faultsSchema,
  load: loadSchema,
  timings: z.object({ tokenizeMs: z.number(), queueMs: z.number(), runMs: z.number() }),
});
export type EmbedAnswer = z.infer<typeof embedAnswerSchema>;

/**
 * What `embedAnswerSchema` makes of a frame's header, undefined where it refuses it. By plain loops: the edge reads one
 * for every call, and a schema library that looks at each count costs many times as much.
 */
export function readEmbedAnswer(header: unknown): EmbedAnswer | undefined {
  if (!isObject(header)) return undefined;
  const { version, revision: name, dimensions, tokens, truncated, load, timings } = header;
  if (version !== WIRE_VERSION || typeof name !== "string" || !isCount(dimensions) || dimensions === 0)
    return undefined;
  const parsed = parseRevision(name);
  if (parsed === undefined) return undefined;
  if (!Array.isArray(tokens) || !tokens.every(isCount)) return undefined;
  if (!Array.isArray(truncated) || !truncated.every((one) => typeof one === "boolean")) return undefined;
  if (!isObject(load) || !isObject(timings)) return undefined;
  const faults = header["faults"] === undefined ? undefined : faultsSchema.safeParse(header["faults"]);
  if (faults?.success === false) return undefined;
  const { queueSeconds } = load;
  const { tokenizeMs, queueMs, runMs } = timings;
  if (!isNumber(queueSeconds) || queueSeconds < 0) return undefined;
  if (!isNumber(tokenizeMs) || !isNumber(queueMs) || !isNumber(runMs)) return undefined;
  return {
    version,
    revision: parsed,
    dimensions,
    tokens,
    truncated,
    faults: faults?.data,
    load: { queueSeconds },
    timings: { tokenizeMs, queueMs, runMs },
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isNumber(value: unknown): value is number {
  return Number.isFinite(value);
}

/**
 * One query and the documents to score for it. Each document makes a pair with the query, in the model's own template;
 * the scores do not depend on one another.
 */
export const scoreRequestSchema = embedRequestSchema
  .pick({ version: true, model: true, revision: true, account: true, tier: true, onError: true })
  .extend({
    /** What happens to a pair over the model's context. end: its document loses its end, and never anything else. */
    truncate: z.enum(TRUNCATIONS).exclude(["start"]),
    /** What the query's documents are judged by; null: the model's own. Refused where BackendReady says that it has none. */
    instruction: z.nullable(z.string()),
    query: z.string(),
    documents: z.array(z.string()),
  });
export type ScoreRequest = z.infer<typeof scoreRequestSchema>;

/**
 * Payload: scores, float32 little-endian, [documents without a fault], in the order of the documents, each finite and from
 * 0 (irrelevant) to 1: what the folder's own activation makes of the model's logit, and a sigmoid where it has none.
 */
export const scoreAnswerSchema = embedAnswerSchema.omit({ dimensions: true }).extend({
  /** For each document: the ids of its pair that the model read after truncation, query and template included. */
  tokens: z.array(count),
  /** For each document: whether its end was cut off (such a score is never cached). */
  truncated: z.array(z.boolean()),
});
export type ScoreAnswer = z.infer<typeof scoreAnswerSchema>;

/** Payload: all token ids, uint32 little-endian, one text (or pair) after the other. */
export const tokenizeAnswerSchema = z.object({
  version: z.literal(WIRE_VERSION),
  revision: revisionSchema,
  tokens: z.array(count),
  truncated: z.array(z.boolean()),
  faults: faultsSchema,
});
export type TokenizeAnswer = z.infer<typeof tokenizeAnswerSchema>;

/** The longest instruction (schemas/common.ts) with the text around it. */
export const PROMPT_CHARS_MAX = 4_200;
const prompt = z.string().max(PROMPT_CHARS_MAX);
/** What the checkpoint puts before a query, a document, and a text of unknown type; mostly empty. */
const promptsSchema = z.object({
  query: prompt,
  document: prompt,
  plain: prompt,
  /**
   * What is put before a text for the caller's own instruction, which stands at INSTRUCTION_PLACE; null: the model takes
   * none; absent: Qwen's form.
   */
  instruction: z.nullable(prompt).optional(),
});
export type Prompts = Readonly<z.infer<typeof promptsSchema>>;

/** What a backend promises of its arithmetic (docs/contract.md, Vectors). */
const arithmeticSchema = z.object({
  /** Whether a text's vector is the same bits whatever it is computed beside, under one revision on one class of processor. */
  reproducible: z.boolean(),
  /**
   * Between a vector and float32 arithmetic's on the same weights: 1 - cos, at most. Of a reranker: the absolute difference of
   * the scores.
   */
  float32DistanceMax: z.number().positive(),
});

/** What a reranker takes. */
const rerankerSchema = z.object({
  /** The instruction of a call that has none; null: the model takes none. */
  instruction: z.nullable(prompt),
  /** The ids of a pair beside those of instruction, query and document, at most. */
  templateTokens: count,
  /** The longest instruction and query, in tokens together: the rest of the context is the document's. */
  queryTokensMax: z.number().int().positive(),
});
export type Reranker = Readonly<z.infer<typeof rerankerSchema>>;

/** A backend that runs but cannot serve yet answers 503 with status `warming` or `draining`. */
export const backendReadySchema = z.object({
  status: z.enum(["ready", "warming", "draining"]),
  model: z.string(),
  /** All that the backend serves, the first first. Absent: an older backend. */
  models: z.array(z.string()).optional(),
  revision: revisionSchema,
  /** Absent: embedding. */
  kind: z.enum(["embedding", "reranker"]).optional(),
  /** Of a vector; a reranker has 1, which means nothing. */
  dimensions: z.number().int().positive(),
  /** Tokens of a text, or of a pair, template included. */
  contextTokens: z.number().int().positive(),
  vocabularySize: z.number().int().positive(),
  endTokenId: count,
  pooling: z.string(),
  /** config.json's model_type, as gpu-backend/compiler/architectures/ has it; absent: an older backend. */
  architecture: z.string().optional(),
  /** Whether the beginning of a vector, normalised again, is a vector too. Absent: yes. */
  matryoshka: z.boolean().optional(),
  /** Absent: the catalogue's. */
  prompts: promptsSchema.optional(),
  /** Of a reranker, and of no other. */
  reranker: rerankerSchema.optional(),
  /** Absent: nothing is promised. */
  arithmetic: arithmeticSchema.optional(),
  load: loadSchema,
  /** Tokens per second over the last minutes of work; null before any work. */
  tokensPerSecond: z.nullable(z.number().nonnegative()),
});
export type BackendReady = z.infer<typeof backendReadySchema>;
