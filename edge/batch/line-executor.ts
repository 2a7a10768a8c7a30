// What a batch's endpoint does with one line: which texts it needs, and how its answer is made of their vectors. The
// batch itself knows neither embeddings nor rerank; an endpoint is a row of `LINE_EXECUTORS` (line-executors.ts).

import type { CacheText } from "../cache/key.ts";
import type { EmbeddedText } from "../embedding/types.ts";
import type { ResultBody } from "../files/results.ts";
import type { UsageAnswer } from "../usage-answer.ts";
import type { CatalogModel } from "../../shared/catalog.ts";
import type { RequestId } from "../../shared/ids.ts";
import type { Truncation } from "../../shared/wire.ts";

/** A line that fits its endpoint: its texts travel in one frame with those of other lines of equal terms. */
export interface PreparedLine {
  readonly model: CatalogModel;
  readonly texts: readonly CacheText[];
  readonly prefix: string;
  readonly truncate: Truncation;
  /** The text at `index` in the caller's words. */
  readonly itemOf: (index: number) => string;
  /** The answer's body, and the vectors that it is written from. Pure. */
  answer(embedded: readonly EmbeddedText[], facts: AnswerFacts): { body: ResultBody; vectors: readonly Uint16Array[] };
}

export interface AnswerFacts {
  readonly requestId: RequestId;
  readonly usage: UsageAnswer;
  /** Native dimensions of the model. */
  readonly dimensions: number;
}

export interface LineContext {
  readonly models: readonly CatalogModel[];
  /** Native dimensions of a model; throws ApiError `model_not_ready` while nobody knows. */
  readonly dimensionsOf: (model: CatalogModel) => Promise<number>;
}

export interface LineExecutor {
  /** Texts of a body, without judging it. */
  countTexts(body: Readonly<Record<string, unknown>>): number;
  /** Throws ApiError for whatever is wrong with the body. */
  prepare(body: Readonly<Record<string, unknown>>, context: LineContext): Promise<PreparedLine>;
}
