// Checks the lines of a slice one by one before any runs: prepares each line's call and bounds the slice's cost.

import { checkTokenLimit, textsBound } from "../embedding/request-texts.ts";
import type { PreparedCall } from "../endpoints/endpoint.ts";
import { callContext } from "../endpoints/endpoint.ts";
import { ENDPOINTS } from "../endpoints/endpoints.ts";
import { resolveModel } from "../models/models.ts";
import { costBound } from "../models/pricing.ts";
import type { CatalogModel } from "../../shared/catalog.ts";
import type { Fault } from "../../shared/errors.ts";
import { ApiError } from "../../shared/errors.ts";
import type { RequestId } from "../../shared/ids.ts";
import { newId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { nanoUsd } from "../../shared/money.ts";
import type { BatchLine } from "./batch-line.ts";
import type { SliceScope } from "./slice-scope.ts";
import { countTokens, faultOfLine, pricesOf } from "./slice-scope.ts";
import type { Position } from "../files/batch-types.ts";

/** A line as it was read. */
export interface SliceLine extends BatchLine {
  /** Its place in the input file. */
  readonly line: number;
  readonly bytes: number;
  readonly next: Position;
}

export interface RunnableLine {
  /** Its place in the input file. */
  readonly line: number;
  readonly bytes: number;
  readonly customId: string;
  readonly requestId: RequestId;
  readonly prepared: PreparedCall;
  /** The most that its texts can have, known without a tokenizer. */
  readonly tokensMax: number;
}

export interface FailedLine {
  readonly line: number;
  readonly customId: string;
  readonly requestId: RequestId;
  readonly fault: Fault;
  /** Set if the line names a model that exists. */
  readonly modelId?: string;
}

export interface PreparedSlice {
  readonly runnable: readonly RunnableLine[];
  readonly failed: readonly FailedLine[];
  /** The most that the slice can cost, known without a tokenizer. */
  readonly boundNanoUsd: NanoUsd;
}

/** Throws ApiError for a fault that is worth a retry. */
export async function prepareSlice(lines: readonly SliceLine[], scope: SliceScope): Promise<PreparedSlice> {
  const { order, services, models, waitUntil } = scope;
  const endpoint = ENDPOINTS[order.endpoint];
  const context = callContext({ pool: services.pool, models, waitUntil });
  const runnable: RunnableLine[] = [];
  const failed: FailedLine[] = [];
  let boundNanoUsd = 0;
  for (const { line, bytes, customId, body } of lines) {
    const requestId = newId("request");
    try {
      const prepared = await endpoint.prepare(body, context);
      const { model, revision } = prepared;
      if (revision !== undefined) await services.pool.announced(model.id, waitUntil, revision);
      const bound = textsBound(prepared, prepared.model.contextTokens);
      await checkTokenLimit(prepared.field, bound, async () =>
        (await countTokens(prepared, scope, prepared.itemOf)).reduce((sum, count) => sum + count, 0),
      );
      runnable.push({ line, bytes, customId, requestId, prepared, tokensMax: bound });
      boundNanoUsd += costBound(pricesOf(order, prepared.model.id), bound);
    } catch (error) {
      const modelId = modelIdOf(body, models);
      const fault = faultOfLine(error);
      failed.push({ line, customId, requestId, fault, ...(modelId === undefined ? {} : { modelId }) });
    }
  }
  return { runnable, failed, boundNanoUsd: nanoUsd(boundNanoUsd) };
}

/** The id of the model that a line names; undefined: there is none. */
export function modelIdOf(body: BatchLine["body"], models: readonly CatalogModel[]): string | undefined {
  const { model } = body;
  if (typeof model !== "string") return undefined;
  try {
    return resolveModel(model, models).model.id;
  } catch (error) {
    if (error instanceof ApiError) return undefined;
    throw error;
  }
}

/** A slice of one line that fails without running. */
export function failedSlice({ line, customId, requestId, prepared }: RunnableLine, fault: Fault): PreparedSlice {
  const failed = [{ line, customId, requestId, fault, modelId: prepared.model.id }];
  return { runnable: [], failed, boundNanoUsd: nanoUsd(0) };
}

/** Ids of the models that the slice uses. */
export function modelsOf({ runnable }: PreparedSlice): string[] {
  return [...new Set(runnable.map(({ prepared }) => prepared.model.id))];
}
