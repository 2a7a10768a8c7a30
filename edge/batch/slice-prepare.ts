// The lines of a slice, each judged by itself before any is run: what its endpoint makes of it, and the most that the
// slice can cost.

import { textsBound } from "../embedding/request-texts.ts";
import { costBound } from "../pricing.ts";
import type { Fault } from "../../shared/errors.ts";
import { apiError } from "../../shared/errors.ts";
import type { RequestId } from "../../shared/ids.ts";
import { newId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { nanoUsd } from "../../shared/money.ts";
import type { BatchLine } from "./batch-line.ts";
import type { Position } from "./types.ts";
import type { PreparedLine } from "./line-executor.ts";
import { LINE_EXECUTORS } from "./line-executors.ts";
import type { SliceScope } from "./slice-scope.ts";
import { faultOfLine, pricesOf } from "./slice-scope.ts";

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
  readonly prepared: PreparedLine;
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
  const runnable: RunnableLine[] = [];
  const failed: FailedLine[] = [];
  let bound = 0;
  const context = {
    models,
    dimensionsOf: async (model: PreparedLine["model"]) => {
      if (model.nativeDimensions > 0) return model.nativeDimensions;
      const announced = await services.pool.announced(model.id, waitUntil);
      if (announced === undefined) throw apiError("model_not_ready", "No backend serves the model yet.");
      return announced.dimensions;
    },
  };
  for (const { line, bytes, customId, body } of lines) {
    const requestId = newId("request");
    try {
      const prepared = await LINE_EXECUTORS[order.endpoint].prepare(body, context);
      runnable.push({ line, bytes, customId, requestId, prepared });
      bound += boundOf(prepared, scope);
    } catch (error) {
      failed.push({ line, customId, requestId, fault: faultOfLine(error) });
    }
  }
  return { runnable, failed, boundNanoUsd: nanoUsd(bound) };
}

/** A slice of one line that fails without being run. */
export function failedSlice({ line, customId }: SliceLine, fault: Fault): PreparedSlice {
  return { runnable: [], failed: [{ line, customId, requestId: newId("request"), fault }], boundNanoUsd: nanoUsd(0) };
}

function boundOf({ model, texts, prefix }: PreparedLine, { order }: SliceScope): NanoUsd {
  return costBound(pricesOf(order, model.id), textsBound(texts, prefix, model.contextTokens));
}
