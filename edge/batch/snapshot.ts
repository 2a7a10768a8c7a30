// A batch's first state, and what its owner sees of a state. Pure.

import { must } from "../../shared/assert.ts";
import { NO_USAGE } from "./slice-run.ts";
import { START } from "./input-lines.ts";
import type { BatchOrder, BatchSnapshot, BatchState, BatchStatus } from "../files/batch-types.ts";
import { newId } from "../../shared/ids.ts";

/** A batch that has just been ordered. */
export function newBatch(order: BatchOrder): BatchState {
  return {
    order,
    status: "validating",
    total: 0,
    completed: 0,
    failed: 0,
    usage: NO_USAGE,
    faults: [],
    outputFileId: newId("file"),
    errorFileId: newId("file"),
    output: { bytes: 0, lines: 0 },
    errors: { bytes: 0, lines: 0 },
    next: START,
    slice: 0,
    attempt: 0,
    shrink: 0,
    failures: 0,
  };
}

/** Result files are named only after the batch has ended, when they exist. */
export function snapshotOf(state: BatchState): BatchSnapshot {
  const { order } = state;
  const hasEnded = isEnded(state.status);
  return {
    id: order.id,
    endpoint: order.endpoint,
    inputFileId: order.input.fileId,
    metadata: order.metadata,
    status: state.status,
    createdAtMs: order.createdAtMs,
    expiresAtMs: order.expiresAtMs,
    ...(state.inProgressAtMs === undefined ? {} : { inProgressAtMs: state.inProgressAtMs }),
    ...(state.finalizingAtMs === undefined ? {} : { finalizingAtMs: state.finalizingAtMs }),
    ...(state.cancellingAtMs === undefined ? {} : { cancellingAtMs: state.cancellingAtMs }),
    ...(hasEnded ? { endedAtMs: must(state.endedAtMs, "end of an ended batch") } : {}),
    counts: { total: state.total, completed: state.completed, failed: state.failed },
    usage: state.usage,
    faults: state.faults,
    ...(state.model === undefined ? {} : { model: state.model }),
    ...(hasEnded && state.output.lines > 0 ? { outputFileId: state.outputFileId } : {}),
    ...(hasEnded && state.errors.lines > 0 ? { errorFileId: state.errorFileId } : {}),
  };
}

export function isEnded(status: BatchStatus): boolean {
  return status === "completed" || status === "failed" || status === "expired" || status === "cancelled";
}
