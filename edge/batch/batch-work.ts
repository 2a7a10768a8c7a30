// The steps of a batch. Each leaves a durable state from which the next one continues, even after the object was
// evicted. docs/decisions/files-and-batches.md says why a crash anywhere neither computes a stored line again nor
// charges one twice. The order within a slice:
//   1. the attempt's number is written (nothing of an older attempt can be charged from now on: ledger/batch-charge.ts);
//   2. its bound is reserved at the account;
//   3. it is computed, and its results stored in R2;
//   4. "these results are pending" is written;
//   5. it is charged exactly once, even if the message is repeated;
//   6. "slice done" is written: results, counts and usage together. What was computed may be cached now.

import type { ReserveOutcome } from "../ledger/batch-charge.ts";
import { ENDPOINTS } from "../endpoints/endpoints.ts";
import { DamagedFileError } from "../lib/cipher.ts";
import { loggedFault } from "../lib/log.ts";
import type { StartedTexts } from "../embedding/types.ts";
import { faultOfRefusal } from "../metering/refusals.ts";
import { must, unreachable } from "../../shared/assert.ts";
import { newId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import type { BatchPorts } from "./batch-ports.ts";
import type { BatchStore } from "./batch-store.ts";
import { afterFailure, isOnTrial, verdictOf } from "./blame.ts";
import { batchFault, failedLine, unrunLine } from "./error-lines.ts";
import { exactBound } from "./exact-bound.ts";
import { InputReader } from "./input-lines.ts";
import { resultFiles } from "./result-files.ts";
import { REJECTED_SIZE, readSlice, shrinkAfter, sliceSize } from "./read-slice.ts";
import type { PreparedSlice, SliceLine } from "./slice-prepare.ts";
import { failedSlice, modelIdOf, modelsOf, prepareSlice } from "./slice-prepare.ts";
import { NO_USAGE, addUsage, refusedUsage, reportOf, runSlice, storeErrors } from "./slice-run.ts";
import type { SliceOutcome } from "./slice-run.ts";
import type { SliceScope } from "./slice-scope.ts";
import { checkServing } from "./slice-scope.ts";
import { snapshotOf } from "./snapshot.ts";
import type { BatchState, BatchStatus, Ending, PendingSlice, SlicePart, SliceResult } from "../files/batch-types.ts";
import { validateInput } from "./validate.ts";

export type Step =
  | { readonly kind: "again" }
  | { readonly kind: "later"; readonly delayMs: number }
  | { readonly kind: "ended" };

const AGAIN: Step = { kind: "again" };
const SUSPENDED_MS = 60_000;
const HELD_MS = 5000;
/** After a slice faster than this, slices may grow. */
const QUICK_MS = 15_000;

export class BatchWork {
  private readonly store: BatchStore;
  private readonly ports: BatchPorts;
  private readonly reader: InputReader;
  private now: BatchState;
  /** Lines of the current slice; 0 before this instance has begun one. */
  private attempted = 0;
  /**
   * What this instance computed for the slice. It is cached once it is charged: a slice that fails over one of its lines, or
   * a batch that ends, would leave it at the price of a hit.
   */
  private computed: StartedTexts[] = [];

  constructor(state: BatchState, store: BatchStore, ports: BatchPorts) {
    this.now = state;
    this.store = store;
    this.ports = ports;
    const { accountId, input } = state.order;
    this.reader = new InputReader(ports.chunks, { accountId, fileId: input.fileId }, input.content);
  }

  get state(): BatchState {
    return this.now;
  }

  /** Begins no more slices; the running one is still delivered. */
  cancel(): void {
    const { status } = this.now;
    if (status !== "validating" && status !== "in_progress") return;
    this.patch({ status: "cancelling", cancellingAtMs: this.ports.nowMs() });
  }

  async step(): Promise<Step> {
    try {
      switch (this.now.status) {
        case "validating":
          return await this.validate();
        case "in_progress":
        case "cancelling":
          return await this.run();
        case "finalizing":
          return await this.finalize();
        case "completed":
        case "failed":
        case "expired":
        case "cancelled":
          return await this.leave();
        default:
          return unreachable(this.now.status);
      }
    } catch (error) {
      if (error instanceof DamagedFileError) return this.loseInput();
      return this.postpone(error);
    }
  }

  private async validate(): Promise<Step> {
    const { order } = this.now;
    const ending = this.endingNow();
    if (ending !== undefined) return this.reject(ending); // the file could not be read for a day
    const lines = this.reader.lines(this.now.next);
    const served = new Set(this.ports.services.pool.models());
    const { total, faults, model } = await validateInput(lines, {
      order,
      texts: ENDPOINTS[order.endpoint],
      models: this.models(),
      isServed: (id) => served.has(id),
    });
    if (this.now.status !== "validating") return AGAIN; // cancelled meanwhile
    const nowMs = this.ports.nowMs();
    if (faults.length > 0) this.patch({ status: "failed", endedAtMs: nowMs, faults });
    else this.patch({ status: "in_progress", inProgressAtMs: nowMs, total, ...(model === undefined ? {} : { model }) });
    return AGAIN;
  }

  private async run(): Promise<Step> {
    const { pending } = this.now;
    if (pending !== undefined) return this.settle(pending);
    const ending = this.now.ending ?? this.endingNow();
    if (ending !== undefined) return this.reject(ending);
    const lines = await readSlice(this.reader, this.now, sliceSize(this.now.shrink));
    return lines.length === 0 ? this.beginFinalizing() : this.work(lines);
  }

  private endingNow(): Ending | undefined {
    if (this.now.status === "cancelling") return { kind: "cancelled" };
    return this.ports.nowMs() >= this.now.order.expiresAtMs ? { kind: "expired" } : undefined;
  }

  private async work(lines: readonly SliceLine[]): Promise<Step> {
    const attempt = this.nextAttempt();
    const startedAtMs = this.ports.nowMs();
    const scope = this.scope();
    this.attempted = lines.length;
    const prepared = await prepareSlice(lines, scope);
    const [first] = prepared.runnable;
    if (first !== undefined && isOnTrial(this.now, lines.length)) await checkServing(first.prepared.model, scope);
    if (prepared.runnable.length > 0) {
      const refused = await this.reserveBound(prepared, attempt, lines);
      if (refused !== undefined) return refused;
    }
    const outcome = await this.outcomeOf(prepared, attempt, scope);
    const pending = { ...outcome, to: must(lines.at(-1), "a slice has lines").next };
    this.patch({ pending });
    const isQuick = this.ports.nowMs() - startedAtMs < QUICK_MS;
    return this.charge(pending, attempt, isQuick);
  }

  /** A line on trial runs once more; if it fails again, it is blamed for that failure. */
  private async outcomeOf(prepared: PreparedSlice, attempt: number, scope: SliceScope): Promise<SliceOutcome> {
    const name = `${this.now.slice}-${attempt}`;
    const [only] = prepared.runnable;
    this.computed = [];
    if (only === undefined || !isOnTrial(this.now, this.attempted)) {
      return runSlice(prepared, name, scope, this.computed);
    }
    try {
      return await runSlice(prepared, name, scope, this.computed);
    } catch (error) {
      const verdict = verdictOf(error);
      if (verdict === undefined) throw error;
      return runSlice(failedSlice(only, verdict), name, scope, []);
    }
  }

  /** Reserves the bound, or, where the credit does not cover it, the exact cost. Undefined: reserved. */
  private async reserveBound(
    prepared: PreparedSlice,
    attempt: number,
    lines: readonly SliceLine[],
  ): Promise<Step | undefined> {
    const models = modelsOf(prepared);
    const bound = await this.reserve(attempt, prepared.boundNanoUsd, models);
    if (bound?.kind !== "refused" || bound.refusal.kind !== "insufficient_credit")
      return this.afterReserve(bound, lines);
    const exact = await exactBound(prepared, this.scope());
    return this.afterReserve(await this.reserve(attempt, exact, models), lines);
  }

  /** What a reservation's outcome means for the slice. Undefined: it is reserved. */
  private afterReserve(outcome: ReserveOutcome | undefined, lines: readonly SliceLine[]): Step | undefined {
    if (outcome === undefined) return this.abandon();
    if (outcome.kind === "reserved") return undefined;
    if (outcome.kind === "charged") throw new TypeError("results are pending before they are charged");
    const { refusal } = outcome;
    if (refusal.kind === "suspended") return { kind: "later", delayMs: SUSPENDED_MS };
    if (refusal.kind === "credit_held") return { kind: "later", delayMs: HELD_MS };
    if (refusal.kind === "insufficient_credit" && lines.length > 1) {
      // The credit may cover part of the slice, and no line that it covers may be refused.
      this.patch({ shrink: shrinkAfter(this.now.shrink, lines.length) });
      return AGAIN;
    }
    const fault = faultOfRefusal(refusal);
    this.patch({ ending: { kind: "refused", fault }, faults: [batchFault(fault, lines)] });
    return AGAIN;
  }

  /** Finishes results that an earlier attempt stored: it has charged them, or they are charged now. */
  private async settle(pending: PendingSlice): Promise<Step> {
    const attempt = this.nextAttempt();
    // A slice that costs nothing needs neither credit nor a key that is still valid.
    if (pending.result.usage.costNanoUsd === 0) return this.charge(pending, attempt, false);
    const models = pending.usageLines.map(({ model }) => model);
    const outcome = await this.reserve(attempt, pending.result.usage.costNanoUsd, models);
    if (outcome === undefined) return this.abandon();
    if (outcome.kind === "charged") return this.finish(pending.to, pending.result, false);
    if (outcome.kind === "reserved") return this.charge(pending, attempt, false);
    const { kind } = outcome.refusal;
    const mayPass = kind === "credit_held" || kind === "suspended";
    if (mayPass && this.endingNow() === undefined) return { kind: "later", delayMs: HELD_MS };
    // The results cannot be paid for, so they are not delivered: the lines count as not run.
    this.computed = [];
    this.patch({ pending: undefined });
    return AGAIN;
  }

  private async charge(pending: PendingSlice, attempt: number, isQuick: boolean): Promise<Step> {
    const { order, slice } = this.now;
    if (pending.usageLines.length > 0) {
      const minute = Math.floor(this.ports.nowMs() / 60_000);
      const outcome = await this.ports.account().chargeBatch({
        batchId: order.id,
        slice,
        attempt,
        keyId: order.keyId,
        costNanoUsd: pending.result.usage.costNanoUsd,
        lines: pending.usageLines.map((line) => reportOf(line, minute)),
        receipt: `${slice}-${attempt}`,
      });
      if (outcome === undefined) return this.abandon();
      if (outcome.kind === "lapsed") return { kind: "later", delayMs: 1000 };
    }
    return this.finish(pending.to, pending.result, isQuick);
  }

  private finish(to: PendingSlice["to"], result: SliceResult, isQuick: boolean): Step {
    for (const texts of this.computed.splice(0)) texts.keep();
    const state = this.now;
    this.now = {
      ...state,
      completed: state.completed + result.completed,
      failed: state.failed + result.failed,
      usage: addUsage(state.usage, result.usage),
      output: grown(state.output, result.output),
      errors: grown(state.errors, result.errors),
      next: to,
      slice: state.slice + 1,
      pending: undefined,
      failures: 0,
      failuresAlone: 0,
      suspicion: undefined,
      shrink: isQuick ? Math.max(0, state.shrink - 1) : state.shrink,
    };
    this.store.finishSlice(state.slice, result, this.now);
    return AGAIN;
  }

  /** Writes the remaining lines into the error file: every line of the input is in exactly one of the two files. */
  private async reject(ending: Ending): Promise<Step> {
    if (this.now.ending === undefined) this.patch({ ending });
    // Cancelled before it was validated: there are no lines yet.
    const lines = this.now.total === 0 ? [] : await readSlice(this.reader, this.now, REJECTED_SIZE);
    const last = lines.at(-1);
    if (last === undefined) return this.beginFinalizing();
    const { id } = this.now.order;
    const texts = lines.map((line) =>
      ending.kind === "refused"
        ? failedLine(id, line, newId("request"), ending.fault)
        : unrunLine(id, line, ending.kind),
    );
    const scope = this.scope();
    const errors = await storeErrors(texts, `${this.now.slice}-end`, scope);
    const result = { errors, completed: 0, failed: lines.length, usage: NO_USAGE };
    if (ending.kind !== "refused") return this.finish(last.next, result, false);
    // The owner's usage counts these refusals, as it counts refused calls.
    const modelIds = lines.map(({ body }) => modelIdOf(body, scope.models));
    const pending = { to: last.next, result, usageLines: refusedUsage(modelIds, ending.fault) };
    this.patch({ pending });
    return this.charge(pending, this.nextAttempt(), false);
  }

  private beginFinalizing(): Step {
    this.patch({ status: "finalizing", finalizingAtMs: this.ports.nowMs() });
    return AGAIN;
  }

  private async finalize(): Promise<Step> {
    const library = this.ports.library();
    const records = resultFiles(this.now, (what) => this.store.chunks(what), this.ports.nowMs());
    for (const record of records) await library.addFile(record);
    const ending = this.now.ending?.kind;
    const status: BatchStatus =
      ending === "expired" || ending === "cancelled" ? ending : this.now.faults.length > 0 ? "failed" : "completed";
    this.patch({ status, endedAtMs: this.ports.nowMs() });
    return AGAIN;
  }

  /** Hands the ended batch to the library, which answers for it from now on. */
  private async leave(): Promise<Step> {
    await this.ports.library().endBatch(snapshotOf(this.now));
    const { order, output, errors, outputFileId, errorFileId } = this.now;
    // Abandoned attempts may have stored chunks for a file that stayed empty.
    if (output.lines === 0) await this.ports.deleteChunks({ accountId: order.accountId, fileId: outputFileId });
    if (errors.lines === 0) await this.ports.deleteChunks({ accountId: order.accountId, fileId: errorFileId });
    return { kind: "ended" };
  }

  /** The account is gone: nothing can be charged or delivered. */
  private abandon(): Step {
    const fault = { code: "account_gone", line: null, message: "The account no longer exists.", param: null };
    this.patch({ status: "failed", endedAtMs: this.ports.nowMs(), pending: undefined, faults: [fault] });
    return AGAIN;
  }

  /** The input file was deleted or is damaged: finished results are delivered, and the batch fails. */
  private loseInput(): Step {
    const fault = {
      code: "input_file_unreadable",
      line: null,
      message: "The input file was deleted or can no longer be read; what was done before is in the output file.",
      param: "input_file_id",
    };
    const nowMs = this.ports.nowMs();
    this.patch({ status: "finalizing", finalizingAtMs: nowMs, pending: undefined, faults: [fault] });
    return AGAIN;
  }

  private async postpone(cause: unknown): Promise<Step> {
    const inVain = this.computed.splice(0).length > 0;
    const { change, delayMs } = afterFailure(this.now, loggedFault("batch_postponed", cause), this.attempted, inVain);
    this.attempted = 0;
    this.patch(change);
    await this.release();
    return { kind: "later", delayMs };
  }

  /** Returns the reserved credit now, if the account can be reached. */
  private async release(): Promise<void> {
    try {
      await this.ports.account().releaseBatch(this.now.order.id);
    } catch {
      // The reservation expires by itself within 75 s (ledger/batch-charge.ts).
    }
  }

  private nextAttempt(): number {
    this.patch({ attempt: this.now.attempt + 1 });
    return this.now.attempt;
  }

  private reserve(
    attempt: number,
    needNanoUsd: NanoUsd,
    models: readonly string[],
  ): Promise<ReserveOutcome | undefined> {
    const { order, slice } = this.now;
    const uses = { scopes: ["batches", ENDPOINTS[order.endpoint].scope], models } as const;
    const asked = { batchId: order.id, slice, attempt, keyId: order.keyId, uses };
    return this.ports.account().reserveBatch(asked, needNanoUsd);
  }

  private scope(): SliceScope {
    const { order, outputFileId, errorFileId } = this.now;
    const { services, chunks, waitUntil } = this.ports;
    return { order, outputFileId, errorFileId, services, models: this.models(), store: chunks, waitUntil };
  }

  /** Models that existed when the batch was created: those with a price in its order. */
  private models() {
    const { prices } = this.now.order;
    return this.ports.services.models.filter(({ id }) => Object.hasOwn(prices, id));
  }

  private patch(change: Partial<BatchState>): void {
    this.now = { ...this.now, ...change };
    this.store.put(this.now);
  }
}

function grown(sums: BatchState["output"], part: SlicePart | undefined): BatchState["output"] {
  return part === undefined ? sums : { bytes: sums.bytes + part.bytes, lines: sums.lines + part.lines };
}
