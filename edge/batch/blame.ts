// Decides whose fault a failed slice is. A fault that is not a line's own (a cold model, a full queue) is retried with
// back-off, in smaller slices if size may be the cause. If one text may be the cause (it kills the engine, it never
// ends), slices shrink to single lines, and a line is blamed only for failures while it runs by itself. Pure.

import type { Fault } from "../../shared/errors.ts";
import { ApiError } from "../../shared/errors.ts";
import { shrinkAfter } from "./read-slice.ts";
import type { BatchState } from "../files/batch-types.ts";

const RETRY_MS_MAX = 60_000;
/** After this many consecutive failures of a slice of one line, that line is on trial. */
const ALONE_MAX = 10;
const SUSPICIOUS = new Set(["deadline_exceeded", "internal_error", "backend_unavailable"]);
const SUSPICIOUS_FAILURES = 3;

type Failures = Pick<BatchState, "failures" | "failuresAlone" | "suspicion" | "shrink">;

interface AfterFailure {
  readonly change: Failures;
  readonly delayMs: number;
}

/**
 * After an attempt at `lines` lines (0: none was begun) ended with `cause`. `inVain`: some of them were computed, and will be
 * again: fewer at a time get on.
 */
export function afterFailure(state: Failures, cause: unknown, lines: number, inVain = false): AfterFailure {
  const fault = faultOf(cause);
  const failures = state.failures + 1;
  const isSuspicious = SUSPICIOUS.has(fault.code);
  const shrinks = inVain || fault.code === "deadline_exceeded" || (isSuspicious && failures >= SUSPICIOUS_FAILURES);
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
 * Whether a slice of one line has failed so often that the line is blamed for its next failure, provided that the
 * backend serves another text just before: an outage is no line's fault.
 */
export function isOnTrial({ failuresAlone = 0, suspicion }: Failures, lines: number): boolean {
  return lines === 1 && failuresAlone >= ALONE_MAX && suspicion !== undefined;
}

/** The fault of a line on trial; undefined: this failure says nothing about the line. */
export function verdictOf(cause: unknown): Fault | undefined {
  const fault = faultOf(cause);
  return SUSPICIOUS.has(fault.code) ? fault : undefined;
}

function faultOf(cause: unknown): Fault {
  if (cause instanceof ApiError) return cause.fault;
  return { code: "internal_error", message: "The line could not be run.", param: null };
}
