// Lines of a batch's error file, in OpenAI's format: a request that failed has a `response`; a request that never ran
// has none and says why in `error`.

import { ERRORS, errorObject } from "../../shared/errors.ts";
import type { Fault } from "../../shared/errors.ts";
import type { RequestId } from "../../shared/ids.ts";
import type { BatchFault } from "../files/batch-types.ts";
import type { BatchId } from "../files/types.ts";

interface LineName {
  /** Its place in the input file. */
  readonly line: number;
  readonly customId: string;
}

/** The id of a line's result: the same in every attempt. */
export function lineId(batchId: BatchId, line: number): string {
  return `batch_req_${batchId.slice(batchId.indexOf("_") + 1)}_${line}`;
}

/** A line whose request failed with `fault`. */
export function failedLine(batchId: BatchId, { line, customId }: LineName, requestId: RequestId, fault: Fault): string {
  return text({
    id: lineId(batchId, line),
    custom_id: customId,
    response: {
      status_code: ERRORS[fault.code].status,
      request_id: requestId,
      body: { error: errorObject(fault) },
    },
    error: null,
  });
}

/** A line that was not run because the batch ended first. */
export function unrunLine(batchId: BatchId, { line, customId }: LineName, ending: "expired" | "cancelled"): string {
  const error =
    ending === "expired"
      ? { code: "batch_expired", message: "This line was not run before the batch's completion window ended." }
      : { code: "batch_cancelled", message: "This line was not run before the batch was cancelled." };
  return text({ id: lineId(batchId, line), custom_id: customId, response: null, error });
}

function text(line: object): string {
  return `${JSON.stringify(line)}\n`;
}

/** The fault that the batch itself shows, besides its error file. `lines`: the first that were not run. */
export function batchFault({ code, message, param }: Fault, lines: readonly LineName[]): BatchFault {
  const line = lines[0]?.line ?? null;
  return { code, line, message: `${message} No line from line ${line} on was run.`, param };
}
