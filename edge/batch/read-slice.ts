// Chooses the lines of the next slice: as many as suit one frame, halved `shrink` times.

import { parseBatchLine } from "./batch-line.ts";
import type { InputReader } from "./input-lines.ts";
import { ENDPOINTS } from "../endpoints/endpoints.ts";
import type { SliceLine } from "./slice-prepare.ts";
import type { BatchState } from "../files/batch-types.ts";

export interface SliceSize {
  readonly lines: number;
  readonly texts: number;
  /** Of the input file. */
  readonly bytes: number;
}

/** About 130,000 tokens of English: some seconds of a GPU, so that a slice's fixed costs are 2 % of its price. */
const WHOLE: SliceSize = { lines: 1024, texts: 1024, bytes: 512 * 1024 };
/** After this many halvings a slice is one line. */
const SHRINK_MAX = 10;
/** The size of a slice whose lines are only written into the error file. */
export const REJECTED_SIZE: SliceSize = { lines: 2000, texts: Infinity, bytes: 4 * 1024 * 1024 };

/** The shrink after a slice of `lines` lines failed: the next is at most half of it. */
export function shrinkAfter(shrink: number, lines: number): number {
  const half = lines < 2 ? 0 : Math.ceil(Math.log2(WHOLE.lines / Math.floor(lines / 2)));
  return Math.min(SHRINK_MAX, Math.max(shrink + 1, half));
}

export function sliceSize(shrink: number): SliceSize {
  const part = 2 ** shrink;
  return { lines: WHOLE.lines / part, texts: WHOLE.texts / part, bytes: WHOLE.bytes / part };
}

/** The lines from `next` on that make one slice: at least one, none at the end. Throws DamagedFileError. */
export async function readSlice(reader: InputReader, state: BatchState, size: SliceSize): Promise<SliceLine[]> {
  const { endpoint } = state.order;
  const slice: SliceLine[] = [];
  let texts = 0;
  let bytes = 0;
  for await (const input of reader.lines(state.next)) {
    const parsed = parseBatchLine(input, endpoint);
    if (parsed.kind === "fault") throw new TypeError("the lines of a validated file are requests");
    texts += ENDPOINTS[endpoint].countTexts(parsed.line.body);
    bytes += input.bytes;
    if (slice.length > 0 && (texts > size.texts || bytes > size.bytes)) break;
    slice.push({ ...parsed.line, line: input.line, bytes: input.bytes, next: input.next });
    if (slice.length >= size.lines) break;
  }
  return slice;
}
