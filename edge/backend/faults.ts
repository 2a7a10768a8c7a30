// Faults from behind the edge, in the caller's terms. A backend's own words never reach a customer: its code and facts
// are phrased again here, and name the item as the caller does.

import { unreachable } from "../../shared/assert.ts";
import type { ApiError, Fault } from "../../shared/errors.ts";
import { ERRORS, apiError } from "../../shared/errors.ts";
import type { ModelRevision } from "../../shared/ids.ts";
import type { BackendFault, ItemFault } from "../../shared/wire.ts";
import type { BackendResult } from "./client.ts";
import { TOO_LARGE } from "./client.ts";

/** `Retry-After` for a cold model (docs/contract.md, Defaults). */
export const COLD_RETRY_AFTER_S = 30;

/** Names the text at `index` as the caller wrote it: `input[17]`, `documents[3]`. */
export type ItemOf = (index: number) => string | null;
/** What was asked of which model; with a query, scores. */
interface Asked {
  readonly model: string;
  readonly query?: unknown;
}
export type Failed = Exclude<BackendResult<never>, { kind: "answer" }>;

/** Whether the same work may be sent to another backend. */
export function mayRetry(failed: Failed): boolean {
  if (failed.kind === "fault") return ERRORS[failed.fault.code].status === 503;
  return failed.kind === "unreachable" || failed.kind === "garbage" || failed.kind === "refused";
}

export function coldError(model: string): ApiError {
  return apiError(
    "model_not_ready",
    `No backend serves ${model} right now. Try again in ${COLD_RETRY_AFTER_S} seconds.`,
    null,
    COLD_RETRY_AFTER_S,
  );
}

/** The call requires another revision than the model is served in. */
export function revisionError(model: string, required: ModelRevision, served: ModelRevision): ApiError {
  return apiError(
    "revision_changed",
    `This call requires revision ${required} of ${model}, which is now served in revision ${served}. Nothing was charged.`,
    "revision",
  );
}

export function deadlineError(): ApiError {
  return apiError("deadline_exceeded", "The answer was not ready within the time limit. Nothing was charged.");
}

export function cancelledError(): ApiError {
  return apiError("client_closed_request", "The call was cancelled before its answer.");
}

export function failedError(failed: Failed, asked: Asked, itemOf: ItemOf): ApiError {
  switch (failed.kind) {
    case "fault":
      return faultError(failed.fault, asked, itemOf);
    case "unreachable":
    case "refused":
      return coldError(asked.model);
    case "garbage":
      return apiError("backend_unavailable", "The backend gave no usable answer. Nothing was charged.", null, 1);
    case "not_taken":
      return failed.status === TOO_LARGE ? tooLargeError() : failedBackend();
    case "deadline":
      return deadlineError();
    case "cancelled":
      return cancelledError();
    default:
      return unreachable(failed);
  }
}

function tooLargeError(): ApiError {
  return apiError(
    "too_many_tokens",
    "The texts are too many for one call together: send several requests, or a batch.",
  );
}

function failedBackend(): ApiError {
  return apiError("backend_unavailable", "The backend failed. Nothing was charged.", null, 1);
}

/** Why one text of a call has no answer, in the caller's terms: it names the item, and no time to come back. */
export function itemFault(fault: ItemFault, asked: Asked, itemOf: ItemOf): Fault {
  const { code, message } = faultError(fault, asked, itemOf).fault;
  return { code, message, param: itemOf(fault.index) };
}

function faultError(fault: BackendFault, asked: Asked, itemOf: ItemOf): ApiError {
  const item = fault.facts["query"] === 1 ? "query" : fault.index === null ? null : itemOf(fault.index);
  switch (fault.code) {
    case "context_length_exceeded":
      return apiError(fault.code, `${item ?? "A text"} has ${lengthRule(fault, asked)}`, item);
    case "overloaded":
      return apiError(
        fault.code,
        "The backend has more work than it can do in time. Try again shortly.",
        null,
        fault.retryAfterS ?? 1,
      );
    case "model_not_ready":
      return coldError(asked.model);
    case "deadline_exceeded":
      return deadlineError();
    default:
      return otherFault(fault, item);
  }
}

/** How long the text is, how long it may be, and what would help. */
function lengthRule({ facts }: BackendFault, asked: Asked): string {
  const { tokens, maxTokens, counted, query } = facts;
  const has = `${counted === 0 ? "at least " : ""}${tokens ?? "too many"} tokens`;
  const most = `at most ${maxTokens ?? "fewer"}`;
  const { model } = asked;
  if (query === 1) {
    return `${has} with the instruction; ${model} takes ${most} there. Shorten it: only documents are cut.`;
  }
  return asked.query !== undefined
    ? `${has} in its pair with the query; ${model} reads ${most} of a pair. Shorten it, or send \`truncate: "end"\`.`
    : `${has}; ${model} reads ${most}, ending token included. Shorten it, or send \`truncate: "end"\` or \`"start"\`.`;
}

/**
 * Input faults that only the tokenizer sees keep the backend's sentence, which holds no input text; others get ours.
 */
function otherFault(fault: BackendFault, item: string | null): ApiError {
  if (ERRORS[fault.code].status === 400) {
    return apiError(fault.code, item === null ? fault.message : `${item}: ${fault.message}`, item);
  }
  if (fault.code === "vector_not_finite") {
    return apiError(fault.code, `${item ?? "A text"} has no finite embedding or score. Nothing was charged.`, item);
  }
  return fault.code === "body_too_large" ? tooLargeError() : failedBackend();
}
