// An endpoint: which texts a body needs, and how its answer is made of their vectors. A route and a batch line share
// `prepare`, so that both refuse the same bodies with the same words.

import type { Scope } from "../ledger/types.ts";
import type { Pool } from "../backend/pool.ts";
import type { CallText } from "../lib/call-text.ts";
import { promptsOf } from "../embedding/prompts.ts";
import type { EmbeddedText } from "../embedding/types.ts";
import type { ResultBody } from "../files/results.ts";
import type { UsageAnswer } from "../metering/usage-answer.ts";
import type { CatalogModel } from "../../shared/catalog.ts";
import type { Prompts, Truncation } from "../../shared/wire.ts";

/** A valid body, ready to be embedded. */
export interface PreparedCall {
  readonly model: CatalogModel;
  readonly texts: readonly CallText[];
  readonly prefix: string;
  /** The prompts that the prefixes were made from: a backend with others must not be asked. */
  readonly prompts: Prompts;
  readonly truncate: Truncation;
  /** The text at `index` in the caller's words. */
  readonly itemOf: (index: number) => string;
  /** The field that holds the texts. */
  readonly field: string;
  /** The answer's body, and the vectors to write into it. Pure. */
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
  /** As the model's backend announced it; undefined while none has. */
  readonly nativeDimensionsOf: (model: CatalogModel) => Promise<number | undefined>;
  /** Whether the model's vectors may be cut; true where no backend has said. */
  readonly isMatryoshka: (model: CatalogModel) => boolean;
  /** The prompts of the model's checkpoint, or the catalogue's where no backend has announced them. */
  readonly promptsOf: (model: CatalogModel) => Promise<Prompts>;
  /** Whether the client decodes base64 as float32 whatever it holds. */
  readonly decodesBlindly: boolean;
}

export interface Endpoint {
  readonly scope: Extract<Scope, "embeddings" | "rerank">;
  /** Throws ApiError for an invalid body. */
  prepare(body: unknown, context: CallContext): Promise<PreparedCall>;
}

/** An endpoint that batches can use. */
export interface LineEndpoint extends Endpoint {
  /** How many texts a line's body has; the body has not been checked. */
  countTexts(body: Readonly<Record<string, unknown>>): number;
}

/** What a call context is made from, for a batch line or for a route's client. */
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
      // The catalogue's figure where there is one, so that no backend is asked for what is known.
      if (model.nativeDimensions > 0) return model.nativeDimensions;
      return (await pool.announced(model.id, waitUntil))?.dimensions;
    },
    isMatryoshka: (model) => pool.lastAnnounced(model.id)?.matryoshka ?? true,
    async promptsOf(model) {
      // Likewise: a catalogue model has the catalogue's prompts until a backend announces others.
      const known = pool.lastAnnounced(model.id);
      if (known !== undefined || model.nativeDimensions > 0) return promptsOf(model, known);
      return promptsOf(model, await pool.announced(model.id, waitUntil));
    },
  };
}
