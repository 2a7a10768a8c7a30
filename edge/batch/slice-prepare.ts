// The lines of a slice, each judged by itself before any is run: what its endpoint makes of it, and the most that the
// slice can cost.

import { textsBound } from "../embedding/request-texts.ts";
import type { PreparedCall } from "../endpoints/endpoint.ts";
import { callContext } from "../endpoints/endpoint.ts";
import { ENDPOINTS } from "../endpoints/endpoints.ts";
import { checkTokenLimit } from "../metering/token-limit.ts";
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
import { faultOfLine, pricesOf, sliceCall } from "./slice-scope.ts";
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
}

export interface FailedLine {
  readonly line: number;
  readonly customId: string;
  readonly requestId: RequestId;
  readonly fault: Fault;
  /** Where it came so far that its model was known. */
  readonly modelId?: string;
}

export interface PreparedSlice {
  readonly runnable: readonly RunnableLine[];
  readonly failed: readonly FailedLine[];
  /** The most that it can cost, known without a tokenizer. */
  readonly boundNanoUsd: NanoUsd;
}

/** Throws ApiError for what may pass. */
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
      const bound = textsBound(prepared.texts, prepared.prefix, prepared.model.contextTokens);
      await checkTokenLimit(prepared.field, bound, () => countTokens(prepared, scope));
      runnable.push({ line, bytes, customId, requestId, prepared });
      boundNanoUsd += costBound(pricesOf(order, prepared.model.id), bound);
    } catch (error) {
      const modelId = modelIdOf(body, models);
      const fault = faultOfLine(error);
      failed.push({ line, customId, requestId, fault, ...(modelId === undefined ? {} : { modelId }) });
    }
  }
  return { runnable, failed, boundNanoUsd: nanoUsd(boundNanoUsd) };
}

/** The model that a line names: it was there when the batch was validated. */
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

async function countTokens({ model, texts, prefix, truncate, itemOf }: PreparedCall, scope: SliceScope) {
  const { order, services } = scope;
  const call = { ...sliceCall(scope), itemOf };
  const { tokens } = await services.pool.tokenize(
    { model: model.id, tier: "batch", accountId: order.accountId, truncate, prefix, texts },
    call,
  );
  return tokens.reduce((sum, count) => sum + count, 0);
}

/** A slice of one line that fails without being run. */
export function failedSlice({ line, customId, requestId, prepared }: RunnableLine, fault: Fault): PreparedSlice {
  const failed = [{ line, customId, requestId, fault, modelId: prepared.model.id }];
  return { runnable: [], failed, boundNanoUsd: nanoUsd(0) };
}

/** Ids of the models that the slice uses. */
export function modelsOf({ runnable }: PreparedSlice): string[] {
  return [...new Set(runnable.map(({ prepared }) => prepared.model.id))];
}
