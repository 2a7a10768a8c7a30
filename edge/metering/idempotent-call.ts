// `Idempotency-Key` for every route whose texts go through metered-call.ts: which call the header names, how its first
// answer is stored as canonical vectors, and how it is read back. The account decides which call is the first, and
// stores answer and charge in one transaction (ledger/idempotency.ts). No input text is kept: the body is stored as a
// keyed hash. Rules: docs/contract.md, Headers.

import type { StoredAnswer } from "../ledger/types.ts";
import { IDEMPOTENCY_BYTES_MAX } from "../ledger/types.ts";
import type { Context } from "../context.ts";
import { isEmbedded } from "../embedding/types.ts";
import type { EmbeddedText, EmbedTextsResult, TextResult } from "../embedding/types.ts";
import { sumTokens } from "../models/pricing.ts";
import type { Charge } from "../models/pricing.ts";
import { must } from "../../shared/assert.ts";
import { apiError } from "../../shared/errors.ts";
import type { Fault } from "../../shared/errors.ts";
import { hex, hmac, importHmacKey } from "../../shared/hmac.ts";
import type { ModelRevision } from "../../shared/ids.ts";
import { nanoUsd } from "../../shared/money.ts";

/** One call with an `Idempotency-Key`: the account finds it by route and key, and compares the body's hash. */
export interface IdempotentCall {
  readonly route: string;
  readonly key: string;
  readonly bodyHash: string;
}

/** A call's result and charge: all that its answer is made of. */
export interface Computed extends EmbedTextsResult {
  readonly charge: Charge;
  /** The id of the call that computed it; an answer's id is made from it, in a replay too. */
  readonly callId: string;
}

export const IDEMPOTENCY_HEADER = "idempotency-key";

const FLOAT16_BYTES = 2;
/** Assumed for a model that no backend has announced yet: the widest of the family. */
const DIMENSIONS_MAX = 4096;
/** Routes with a second path. */
const SAME_ROUTE: Readonly<Record<string, string>> = { "/embeddings": "/v1/embeddings" };

/**
 * A body's hash for an `Idempotency-Key`, in hex. It is keyed, so that nobody can test texts against it. It cannot
 * equal a cache key, whose input never begins like JSON.
 */
export async function bodyHashOf(secret: string, body: Uint8Array): Promise<string> {
  return hex(await hmac(await importHmacKey(secret), body));
}

/** The call that `key` names on this request's route. The body must have been read. */
export function idempotentCall(c: Context, key: string): IdempotentCall {
  const path = c.req.path.replace(/\/+$/, "");
  return {
    route: SAME_ROUTE[path] ?? path,
    key,
    bodyHash: must(c.get("bodyHash"), "the hash of a body that was read"),
  };
}

/**
 * Refuses a result that could not be stored, before any work. `dimensions` 0: not known yet. Throws `result_too_large`.
 */
export function checkStorable(texts: number, dimensions: number): void {
  const bytes = texts * (dimensions === 0 ? DIMENSIONS_MAX : dimensions) * FLOAT16_BYTES;
  if (bytes <= IDEMPOTENCY_BYTES_MAX) return;
  throw apiError(
    "result_too_large",
    `The vectors of these ${texts} texts take ${bytes} bytes; with an \`Idempotency-Key\` a result may have at most ${IDEMPOTENCY_BYTES_MAX}: send fewer texts, or no key.`,
    "Idempotency-Key",
  );
}

/** Stored beside the vectors, as JSON. */
interface Meta {
  readonly callId: string;
  readonly revision: ModelRevision;
  readonly dimensions: number;
  /** Per text; 0 for one that failed. */
  readonly tokens: readonly number[];
  /** Positions of the texts that were hits. */
  readonly hits: readonly number[];
  /** Texts that failed, which have no vector. Absent: none. */
  readonly faults?: readonly (readonly [position: number, fault: Fault])[];
  readonly costNanoUsd: number;
  readonly savedNanoUsd: number;
}

/** Throws `result_too_large` where the model is wider than was known before. */
export function storedAnswer({ texts, charge, callId, revision, dimensions }: Computed): StoredAnswer {
  checkStorable(texts.length, dimensions);
  const embedded = texts.filter(isEmbedded);
  const vectors = new Uint16Array(embedded.length * dimensions);
  for (const [row, { vector }] of embedded.entries()) vectors.set(vector, row * dimensions);
  const meta: Meta = {
    callId,
    revision,
    dimensions,
    tokens: texts.map((text) => (isEmbedded(text) ? text.tokens : 0)),
    hits: texts.flatMap((text, index) => (isEmbedded(text) && text.hit ? [index] : [])),
    ...(embedded.length < texts.length && {
      faults: texts.flatMap((text, index) => (isEmbedded(text) ? [] : [[index, text.fault] as const])),
    }),
    costNanoUsd: charge.costNanoUsd,
    savedNanoUsd: charge.savedNanoUsd,
  };
  return { meta: JSON.stringify(meta), vectors: new Uint8Array(vectors.buffer) };
}

/** The first call's result, bit for bit. `chargedOf`: the texts that the call's endpoint charges for. */
export function computedBefore(
  { meta, vectors }: StoredAnswer,
  chargedOf: (texts: readonly TextResult[]) => readonly EmbeddedText[],
): Computed {
  const { tokens, hits, faults = [], dimensions, revision, callId, costNanoUsd, savedNanoUsd }: Meta = JSON.parse(meta);
  const wasHit = new Set(hits);
  const faultAt = new Map(faults);
  const bits = new Uint16Array(vectors.slice().buffer);
  let row = 0;
  const texts = tokens.map((count, index): TextResult => {
    const fault = faultAt.get(index);
    if (fault !== undefined) return { fault };
    const vector = bits.subarray(row * dimensions, (row + 1) * dimensions);
    row += 1;
    return { vector, tokens: count, hit: wasHit.has(index) };
  });
  const charge: Charge = {
    ...sumTokens(chargedOf(texts)),
    costNanoUsd: nanoUsd(costNanoUsd),
    savedNanoUsd: nanoUsd(savedNanoUsd),
  };
  return { revision, dimensions, texts, timings: {}, charge, callId };
}
