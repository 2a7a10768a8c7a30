// The frames of a stream of lines in the ledger. A frame is a call that is charged once, like one under an
// `Idempotency-Key`, and stands in the same log; but no vectors are kept of it: a client that resumes its stream has the
// frames that it did not see computed again, for nothing. Rules: docs/streams.md.

import type { FoundAnswer } from "./answer-log.ts";
import type { Ledger } from "./ledger.ts";
import type { IdempotencyState, StoredAnswer } from "./types.ts";

/** The route under which frames stand in the log. */
export const STREAM_ROUTE = "/v1/embeddings lines";
/** How often a frame is computed again for nothing. */
export const FRAME_REPLAYS_MAX = 10;
/** The most frames in one list: the lines of some hundred thousand texts. */
export const FRAMES_LISTED_MAX = 1000;
const LINE_DIGITS = 12;
const NO_VECTORS = new Uint8Array();

/** Stored of a charged frame, as JSON. */
interface FrameMeta {
  readonly lines: number;
  readonly replays: number;
}

/** A charged frame: its first line, counted from the stream's beginning, and how many lines it has. */
export interface ChargedFrame {
  readonly first: number;
  readonly lines: number;
}

/** The name of the frame of `stream` that begins at line `first`; names sort like lines. */
export function frameKey(stream: string, first: number): string {
  return `${stream}/${String(first).padStart(LINE_DIGITS, "0")}`;
}

/** What is stored with the charge of a frame of `lines` lines. */
export function storedFrame(lines: number): StoredAnswer {
  const meta: FrameMeta = { lines, replays: 0 };
  return { meta: JSON.stringify(meta), vectors: NO_VECTORS };
}

/** The charged frames of `stream` that begin at line `from` or later, in order: at most FRAMES_LISTED_MAX. */
export function chargedFrames(ledger: Ledger, stream: string, from: number, nowMs: number): readonly ChargedFrame[] {
  const keys = { from: frameKey(stream, from), below: `${stream}0` }; // "0" follows "/"
  return ledger.answers.list(STREAM_ROUTE, keys, FRAMES_LISTED_MAX, nowMs).map(({ key, meta }) => {
    const { lines }: FrameMeta = JSON.parse(meta);
    return { first: Number(key.slice(-LINE_DIGITS)), lines };
  });
}

/** Counts that a charged frame is asked for again. */
export function replayFrame(frame: FoundAnswer): IdempotencyState {
  const stored = frame.read();
  const { lines, replays }: FrameMeta = JSON.parse(stored.meta);
  if (replays >= FRAME_REPLAYS_MAX) return { kind: "spent" };
  const counted: FrameMeta = { lines, replays: replays + 1 };
  frame.putMeta(JSON.stringify(counted));
  return { kind: "replay", stored };
}
