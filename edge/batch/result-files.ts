// The records of a batch's output and error file, made when it ends. Pure.

import type { FileChunk, FileId, FileRecord } from "../files/types.ts";
import type { BatchState } from "../files/batch-types.ts";

type ResultFile = "output" | "errors";

/** Records of the files that have a line. `chunksOf`: their chunks in the order of the input's lines. */
export function resultFiles(
  { order, output, errors, outputFileId, errorFileId }: BatchState,
  chunksOf: (what: ResultFile) => readonly FileChunk[],
  createdAtMs: number,
): FileRecord[] {
  const fileOf = (what: ResultFile, fileId: FileId, sums: BatchState["output"]): FileRecord => ({
    accountId: order.accountId,
    fileId,
    purpose: "batch_output",
    filename: `${order.id}_${what === "output" ? "output" : "error"}.jsonl`,
    ...sums,
    createdAtMs,
    expiresAtMs: createdAtMs + order.outputLifeMs,
    content: { format: what === "output" ? "results" : "lines", chunks: chunksOf(what) },
  });
  return [
    ...(output.lines > 0 ? [fileOf("output", outputFileId, output)] : []),
    ...(errors.lines > 0 ? [fileOf("errors", errorFileId, errors)] : []),
  ];
}
