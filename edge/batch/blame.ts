// Whose fault it is that a slice could not be run. What is nobody's fault (a cold model, a full queue) is tried again,
// later each time, in smaller slices where their size may be the reason. Where one text may be (it kills the engine, it
// takes for ever), slices shrink to single lines, and a line is blamed only for what happened while it was alone. Pure.

import type { Fault } from "../../shared/errors.ts";
import { ApiError } from "../../shared/errors.ts";
import { shrinkAfter } from "./read-slice.ts";
import type { BatchState } from "./types.ts";

const RETRY_MS_MAX = 60_000;
/** After so many attempts in a row at a line alone it is on trial. */
const ALONE_MAX = 10;
const SUSPICIOUS = new Set(["deadline_exceeded", "internal_error", "backend_unavailable"]);
const SUSPICIOUS_FAILURES = 3;

type Failures = Pick<BatchState, "failures" | "failuresAlone" | "suspicion" | "shrink">;

interface AfterFailure {
  readonly change: Failures;
  readonly delayMs: number;
}

/** After an attempt at `lines` lines (0: none was begun) ended with `cause`. */
export function afterFailure(state: Failures, cause: unknown, lines: number): AfterFailure {
  const fault = faultOf(cause);
  const failures = state.failures + 1;
  const isSuspicious = SUSPICIOUS.has(fault.code);
  const shrinks = fault.code === "deadline_exceeded" || (isSuspicious && failures >= SUSPICIOUS_FAILURES);
  return {
    change: {
      failures,
      failuresAlone: isSuspicious && lines === 1 ? (state.failuresAlone ?? 0) + 1 : 0,
      suspicion: isSuspicious ? fault : undefined,
      shrink: shrinks ? shrinkAfter(state.shrink, lines) : state.shrink,
    },
    delayMs: Math.min(1000 * 2 ** (failures - 1), RETRY_MS_MAX),
  };
}

/**
 * Whether the line that is a slice of its own has failed so often that its next failure is its own: if the backend
 * serves another text just before, for an outage is no line's fault.
 */
export function isOnTrial({ failuresAlone = 0, suspicion }: Failures, lines: number): boolean {
  return lines === 1 && failuresAlone >= ALONE_MAX && suspicion !== undefined;
}

/** What a line on trial fails with; undefined: this failure says nothing of it. */
export function verdictOf(cause: unknown): Fault | undefined {
  const fault = faultOf(cause);
  return SUSPICIOUS.has(fault.code) ? fault : undefined;
}

function faultOf(cause: unknown): Fault {
  if (cause instanceof ApiError) return cause.fault;
  return { code: "internal_error", message: "The line could not be run.", param: null };
}
