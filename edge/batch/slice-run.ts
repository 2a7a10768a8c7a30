// Runs one slice of a batch: embeds its lines in as few frames as their terms allow, and stores the results as parts of
// the output and the error file. A fault that is not a line's own fails the slice, which is retried.

import { bodyMemory, frameMemory } from "../lib/memory-budget.ts";
import { isEmbedded } from "../embedding/types.ts";
import type { EmbeddedText, EmbedTextsResult, StartedTexts, TextResult } from "../embedding/types.ts";
import { encodeResults, resultLineBytes } from "../files/results.ts";
import type { ResultLine } from "../files/results.ts";
import type { FileId } from "../files/types.ts";
import type { UsageLine } from "../ledger/types.ts";
import { describeError, writeLog } from "../lib/log.ts";
import type { Charge } from "../models/pricing.ts";
import { chargeOf } from "../models/pricing.ts";
import { usageOf } from "../metering/usage-answer.ts";
import { must } from "../../shared/assert.ts";
import type { Fault } from "../../shared/errors.ts";
import { ApiError, ERRORS } from "../../shared/errors.ts";
import { nanoUsd } from "../../shared/money.ts";
import { failedLine, lineId } from "./error-lines.ts";
import { inGroups, splitByLine } from "./slice-groups.ts";
import type { FailedLine, PreparedSlice, RunnableLine } from "./slice-prepare.ts";
import type { SliceScope } from "./slice-scope.ts";
import { faultOfLine, pricesOf, sliceCall } from "./slice-scope.ts";
import type { BatchUsage, SlicePart, SliceResult, UsageByModel } from "../files/batch-types.ts";

export interface SliceOutcome {
  readonly result: SliceResult;
  readonly usageLines: readonly UsageByModel[];
}

const UNANSWERABLE: Fault = {
  code: "internal_error",
  message: "The answer of this line could not be written; nothing was charged for it.",
  param: null,
};

interface DoneLine extends RunnableLine {
  readonly results: readonly TextResult[];
  readonly dimensions: number;
}

interface Sorted {
  readonly done: DoneLine[];
  readonly failed: FailedLine[];
}

/**
 * `name`: of the slice's chunks, unique to this attempt. Results are durable when it resolves. `computed` gets what was
 * computed, to be kept once the slice is charged. Throws ApiError for a fault that is worth a retry.
 */
export async function runSlice(
  slice: PreparedSlice,
  name: string,
  scope: SliceScope,
  computed: StartedTexts[],
): Promise<SliceOutcome> {
  const { services, waitUntil } = scope;
  const bytes = slice.runnable.reduce((sum, line) => sum + line.bytes, 0);
  const memory = services.memory.take(bodyMemory(bytes));
  try {
    const texts = slice.runnable.reduce((sum, { prepared }) => sum + prepared.texts.length, 0);
    const [first] = slice.runnable;
    const announced = first && (await services.pool.announced(first.prepared.model.id, waitUntil));
    // The frame and its copy as results.
    memory.grow(2 * frameMemory(texts, announced?.dimensions));
    const sorted: Sorted = { done: [], failed: [...slice.failed] };
    await inGroups(slice.runnable, {
      call: (lines) => embed(lines, scope, computed),
      done(lines, { texts: all, dimensions }) {
        for (const [line, results] of splitByLine(lines, all)) sorted.done.push({ ...line, results, dimensions });
      },
      failed: (line, fault) => void sorted.failed.push({ ...line, fault, modelId: line.prepared.model.id }),
    });
    return await storeSlice(sorted, name, scope);
  } finally {
    memory.release();
  }
}

async function embed(
  lines: readonly RunnableLine[],
  scope: SliceScope,
  computed: StartedTexts[],
): Promise<EmbedTextsResult> {
  const { order, services } = scope;
  const first = must(lines[0], "a group has a line").prepared;
  const items = lines.flatMap(({ prepared }) => prepared.texts.map((_, index) => prepared.itemOf(index)));
  const texts = services.embedTexts.start({
    model: first.model.id,
    accountId: order.accountId,
    tier: "batch",
    texts: lines.flatMap(({ prepared }) => prepared.texts),
    prefix: first.prefix,
    query: first.query,
    prompts: first.prompts,
    truncate: first.truncate,
    onError: first.onError,
    textsDepend: first.textsDepend,
    revision: first.revision,
    cacheMode: order.cache,
    noStore: false,
    ...sliceCall(scope),
    itemOf: (index) => items[index] ?? null,
  });
  const result = await texts.finish();
  computed.push(texts);
  return result;
}

async function storeSlice({ done, failed }: Sorted, name: string, scope: SliceScope): Promise<SliceOutcome> {
  const { order } = scope;
  const usage = new UsageSums();
  const results: ResultLine[] = [];
  let bytes = 0;
  const unanswered: FailedLine[] = [];
  const unpaid = new Unpaid();
  for (const line of done.toSorted(byLine)) {
    const modelId = line.prepared.model.id;
    try {
      const charge = chargeOf(pricesOf(order, modelId), unpaid.among(line.prepared.charged(line.results)));
      const result = resultOf(line, charge, scope);
      bytes += resultLineBytes(result);
      results.push(result);
      usage.add(modelId, charge);
    } catch (error) {
      unpaid.add(line.results);
      if (error instanceof ApiError) {
        // All of its items are at fault.
        unanswered.push({ ...line, fault: faultOfLine(error), modelId });
        continue;
      }
      // Our own fault: an answer that cannot be written must not fail its neighbours too.
      writeLog({ level: "error", event: "batch_line", batch_id: order.id, line: line.line, ...describeError(error) });
      unanswered.push({ ...line, fault: UNANSWERABLE, modelId });
    }
  }
  const allFailed = [...failed, ...unanswered].toSorted(byLine);
  for (const { modelId, fault } of allFailed) if (modelId !== undefined) usage.addFailure(modelId, fault);
  const errors = allFailed.map((line) => failedLine(order.id, line, line.requestId, line.fault));
  const [output, errorPart] = await Promise.all([
    results.length === 0 ? undefined : storeResults(results, bytes, name, scope),
    errors.length === 0 ? undefined : storeErrors(errors, name, scope),
  ]);
  return {
    result: {
      ...(output === undefined ? {} : { output }),
      ...(errorPart === undefined ? {} : { errors: errorPart }),
      completed: results.length,
      failed: allFailed.length,
      usage: usage.total,
    },
    usageLines: usage.lines,
  };
}

function resultOf(line: DoneLine, charge: Charge, { order }: SliceScope): ResultLine {
  const { requestId, customId, dimensions, results } = line;
  const answer = line.prepared.answer(results, { callId: requestId, usage: usageOf(charge), dimensions });
  return { id: lineId(order.id, line.line), customId, requestId, ...answer };
}

async function storeResults(
  results: readonly ResultLine[],
  bytes: number,
  name: string,
  scope: SliceScope,
): Promise<SlicePart> {
  const chunk = await scope.store.write(placeOf(scope, scope.outputFileId), name, encodeResults(results));
  return { chunk, bytes, lines: results.length };
}

/** Stores lines of the error file. */
export async function storeErrors(errors: readonly string[], name: string, scope: SliceScope): Promise<SlicePart> {
  const plain = new TextEncoder().encode(errors.join(""));
  const chunk = await scope.store.write(placeOf(scope, scope.errorFileId), name, plain);
  return { chunk, bytes: plain.length, lines: errors.length };
}

function placeOf({ order }: SliceScope, fileId: FileId) {
  return { accountId: order.accountId, fileId };
}

/**
 * Texts that were computed for a line which then failed, and is not charged. The first line that repeats one of them pays for
 * it, as the failed one would have. A text and its repeats have one vector.
 */
class Unpaid {
  readonly #vectors = new Set<Uint16Array>();

  add(results: readonly TextResult[]): void {
    for (const text of results) if (isEmbedded(text) && !text.hit) this.#vectors.add(text.vector);
  }

  /** `texts`, and which of them are hits after all. */
  among(texts: readonly EmbeddedText[]): readonly EmbeddedText[] {
    if (this.#vectors.size === 0) return texts;
    return texts.map((text) => (this.#vectors.delete(text.vector) ? { ...text, hit: false } : text));
  }
}

function byLine(a: { readonly line: number }, b: { readonly line: number }): number {
  return a.line - b.line;
}

export const NO_USAGE: BatchUsage = { tokens: 0, cachedTokens: 0, costNanoUsd: nanoUsd(0) };

export function addUsage(a: BatchUsage, b: BatchUsage): BatchUsage {
  return {
    tokens: a.tokens + b.tokens,
    cachedTokens: a.cachedTokens + b.cachedTokens,
    costNanoUsd: nanoUsd(a.costNanoUsd + b.costNanoUsd),
  };
}

/** The usage of lines that were refused without running: only failures. */
export function refusedUsage(modelIds: readonly (string | undefined)[], fault: Fault): UsageByModel[] {
  const usage = new UsageSums();
  for (const modelId of modelIds) if (modelId !== undefined) usage.addFailure(modelId, fault);
  return usage.lines;
}

/** As the ledger takes it. */
export function reportOf({ model, requests, failed, failed5xx = 0, ...sums }: UsageByModel, minute: number): UsageLine {
  const errors = { errors4xx: failed - failed5xx, errors5xx: failed5xx };
  return { model, tier: "batch", minute, requests, ...sums, ...errors, latency: {} };
}

class UsageSums {
  readonly #byModel = new Map<string, UsageByModel>();

  get lines(): UsageByModel[] {
    return [...this.#byModel.values()];
  }

  get total(): BatchUsage {
    return this.lines.reduce<BatchUsage>(addUsage, NO_USAGE);
  }

  add(model: string, charge: Charge): void {
    const sum = this.#of(model);
    this.#byModel.set(model, {
      ...sum,
      ...addUsage(sum, charge),
      requests: sum.requests + 1,
      savedNanoUsd: nanoUsd(sum.savedNanoUsd + charge.savedNanoUsd),
    });
  }

  addFailure(model: string, { code }: Fault): void {
    const sum = this.#of(model);
    const isOurs = ERRORS[code].status >= 500;
    const failed5xx = (sum.failed5xx ?? 0) + Number(isOurs);
    this.#byModel.set(model, { ...sum, failed: sum.failed + 1, ...(failed5xx === 0 ? {} : { failed5xx }) });
  }

  #of(model: string): UsageByModel {
    return this.#byModel.get(model) ?? { ...NO_USAGE, model, requests: 0, failed: 0, savedNanoUsd: nanoUsd(0) };
  }
}
