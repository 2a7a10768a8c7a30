// What an endpoint makes of a body: which texts it needs, and how its answer is made of their vectors. A route and a
// line of a batch go through the same `prepare`, so that both refuse the same bodies with the same words.

import type { Scope } from "../ledger/types.ts";
import type { Pool } from "../backend/pool.ts";
import type { CallText } from "../lib/call-text.ts";
import { promptsOf } from "../embedding/prompts.ts";
import type { EmbeddedText } from "../embedding/types.ts";
import type { ResultBody } from "../files/results.ts";
import type { UsageAnswer } from "../metering/usage-answer.ts";
import type { CatalogModel } from "../../shared/catalog.ts";
import type { Prompts, Truncation } from "../../shared/wire.ts";

/** A body that fits its endpoint. */
export interface PreparedCall {
  readonly model: CatalogModel;
  readonly texts: readonly CallText[];
  readonly prefix: string;
  /** What the prefixes were made from: another checkpoint's would be wrong. */
  readonly prompts: Prompts;
  readonly truncate: Truncation;
  /** The text at `index` in the caller's words. */
  readonly itemOf: (index: number) => string;
  /** The field that holds the texts. */
  readonly field: string;
  /** The answer's body, and the vectors that it is written from. Pure. */
  answer(embedded: readonly EmbeddedText[], facts: AnswerFacts): { body: ResultBody; vectors: readonly Uint16Array[] };
}

interface AnswerFacts {
  /** The id of the charge. */
  readonly callId: string;
  readonly usage: UsageAnswer;
  /** Native dimensions of the model. */
  readonly dimensions: number;
}

export interface CallContext {
  readonly models: readonly CatalogModel[];
  /** What the model's backend announced; undefined while none has. */
  readonly nativeDimensionsOf: (model: CatalogModel) => Promise<number | undefined>;
  /** Whether the model's vectors may be cut, as well as it is known. */
  readonly isMatryoshka: (model: CatalogModel) => boolean;
  /** What the model's checkpoint puts before texts, as well as it is known. */
  readonly promptsOf: (model: CatalogModel) => Promise<Prompts>;
  /** The client decodes base64 as float32 whatever it holds. */
  readonly decodesBlindly: boolean;
}

export interface Endpoint {
  readonly scope: Extract<Scope, "embeddings" | "rerank">;
  /** Throws ApiError for whatever is wrong with the body. */
  prepare(body: unknown, context: CallContext): Promise<PreparedCall>;
}

/** An endpoint that a batch may have. */
export interface LineEndpoint extends Endpoint {
  /** Texts of a line's body, without judging it. */
  countTexts(body: Readonly<Record<string, unknown>>): number;
}

/** Who asks: a line of a batch, or a route for a client of its own. */
export interface CallSource {
  readonly pool: Pick<Pool, "announced" | "lastAnnounced">;
  readonly models: readonly CatalogModel[];
  readonly waitUntil: (work: Promise<unknown>) => void;
  readonly decodesBlindly?: boolean;
}

export function callContext({ pool, models, waitUntil, decodesBlindly = false }: CallSource): CallContext {
  return {
    models,
    decodesBlindly,
    async nativeDimensionsOf(model) {
      // The catalogue's figure where it has one: no model is asked before its price and sizes are known.
      if (model.nativeDimensions > 0) return model.nativeDimensions;
      return (await pool.announced(model.id, waitUntil))?.dimensions;
    },
    isMatryoshka: (model) => pool.lastAnnounced(model.id)?.matryoshka ?? true,
    async promptsOf(model) {
      // Likewise: the catalogue's models have the catalogue's prompts, unless a backend has said otherwise.
      const known = pool.lastAnnounced(model.id);
      if (known !== undefined || model.nativeDimensions > 0) return promptsOf(model, known);
      return promptsOf(model, await pool.announced(model.id, waitUntil));
    },
  };
}
