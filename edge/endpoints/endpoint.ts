// An endpoint: which texts a body needs, and how its answer is made of their vectors. A route and a batch line share
// `prepare`, so that both refuse the same bodies with the same words.

import type { Scope } from "../ledger/types.ts";
import type { Pool } from "../backend/pool.ts";
import type { CallText, ScoreQuery } from "../lib/call-text.ts";
import { promptsOf } from "../embedding/prompts.ts";
import type { EmbeddedText, TextResult } from "../embedding/types.ts";
import type { ResultBody } from "../files/results.ts";
import type { UsageAnswer } from "../metering/usage-answer.ts";
import { embedsNothing, kindOf } from "../models/kind.ts";
import type { CatalogModel } from "../../shared/catalog.ts";
import { apiError } from "../../shared/errors.ts";
import type { ModelRevision } from "../../shared/ids.ts";
import type { ItemFaults } from "../../shared/schemas/items.ts";
import type { BackendReady, OnError, Prompts, Reranker, Truncation } from "../../shared/wire.ts";

/** A valid body, ready to be embedded. */
export interface PreparedCall {
  readonly model: CatalogModel;
  readonly texts: readonly CallText[];
  readonly prefix: string;
  /** Set for a reranker: the texts are documents. */
  readonly query?: ScoreQuery;
  /** The prompts that the prefixes were made from: a backend with others must not be asked. Absent: they depend on none. */
  readonly prompts?: Prompts;
  readonly truncate: Truncation;
  /** `per_item`: a text at fault does not keep the others from their vectors. */
  readonly onError: OnError;
  /** A text may cost nothing because another one is at fault (embedding/types.ts). */
  readonly textsDepend?: boolean;
  /** The only revision that will do; undefined: any. */
  readonly revision: ModelRevision | undefined;
  /** What the body has in the list of texts and is not sent, being at fault itself: by place. Absent: nothing. */
  readonly notSent?: ItemFaults;
  /** The text at `index` in the caller's words. */
  readonly itemOf: (index: number) => string;
  /** The field that holds the texts. */
  readonly field: string;
  /** The texts to charge for: those of items that have an answer. Throws the first fault where none has. Pure. */
  charged(results: readonly TextResult[]): readonly EmbeddedText[];
  /** The answer's body, and the vectors to write into it. Pure. */
  answer(results: readonly TextResult[], facts: AnswerFacts): { body: ResultBody; vectors: readonly Uint16Array[] };
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
  /**
   * Set for a reranker; `takes` is what its backend announced, undefined while none has. Throws `model_not_ready` if
   * neither catalogue nor backend has said which kind of model it is. `revision`: the only one that will do.
   */
  readonly rerankerOf: (
    model: CatalogModel,
    revision: ModelRevision | undefined,
  ) => Promise<{ readonly takes: Reranker | undefined } | undefined>;
  /**
   * The prompts of the model's checkpoint, or the catalogue's where no backend has announced them. Throws ApiError for a
   * reranker. `revision`: the only one that will do.
   */
  readonly promptsOf: (model: CatalogModel, revision: ModelRevision | undefined) => Prompts | Promise<Prompts>;
  /** Whether the client decodes base64 as float32 whatever it holds. */
  readonly decodesBlindly: boolean;
}

export interface Endpoint {
  readonly scope: Extract<Scope, "embeddings" | "rerank">;
  /** Throws ApiError, or rejects with one, for an invalid body. Without a promise where nothing is waited for. */
  prepare(body: unknown, context: CallContext): PreparedCall | Promise<PreparedCall>;
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
  /** The only one that will do, as a header said it; a body may say it too. */
  readonly revision?: ModelRevision | undefined;
}

export function callContext(source: CallSource): CallContext {
  const { pool, models, waitUntil, decodesBlindly = false } = source;
  return {
    models,
    decodesBlindly,
    async nativeDimensionsOf(model) {
      // The catalogue's figure where there is one, so that no backend is asked for what is known.
      if (model.nativeDimensions > 0) return model.nativeDimensions;
      return (await pool.announced(model.id, waitUntil))?.dimensions;
    },
    isMatryoshka: (model) => pool.lastAnnounced(model.id)?.matryoshka ?? true,
    async rerankerOf(model, revision = source.revision) {
      if (model.kind === "embedding") return undefined;
      const announced = pool.lastAnnounced(model.id, revision) ?? (await pool.announced(model.id, waitUntil));
      const kind = kindOf(model, announced);
      if (kind === undefined) {
        throw apiError("model_not_ready", "No backend has said yet whether this model is a reranker.", null, 5);
      }
      return kind === "reranker" ? { takes: announced?.reranker } : undefined;
    },
    promptsOf(model, revision = source.revision) {
      // Likewise: a catalogue model has the catalogue's prompts until a backend announces others.
      const known = pool.lastAnnounced(model.id, revision);
      if (known !== undefined || model.kind !== undefined) return embeddingPrompts(model, known);
      return Promise.resolve(pool.announced(model.id, waitUntil)).then((first) => embeddingPrompts(model, first));
    },
  };
}

function embeddingPrompts(model: CatalogModel, announced: BackendReady | undefined): Prompts {
  if (kindOf(model, announced) === "reranker") throw embedsNothing(model.id);
  return promptsOf(model, announced);
}
