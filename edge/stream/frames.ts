// A body of lines, cut into frames as it arrives: each frame is one call. A frame ends when it is full or when nothing
// more has arrived for a moment. A frame that was charged before (of a stream that is resumed, or sent again) is cut as it
// was then, so that its charge is found. One that is over a limit as a whole is halved. Frames leave no gap: each begins where the one before it ends.

import { NEWLINE, PendingLine } from "../lib/pending-line.ts";
import type { TakenLine } from "../lib/pending-line.ts";
import type { ChargedFrame } from "../ledger/stream-frames.ts";

export interface Frame {
  /** Its first line, counted from 0 at the stream's beginning. */
  readonly first: number;
  /** Blank ones included. */
  readonly lines: number;
  /** The lines that are not blank; the stream's first line has the number 1. */
  readonly taken: readonly TakenLine[];
  /** UTF-8 bytes of `taken`. */
  readonly bytes: number;
}

export type Halves = readonly [Frame, Frame];

/** The halves of `frame`; undefined: it has one line alone. */
export function halvesOf({ first, lines, taken }: Frame): Halves | undefined {
  const middle = taken.length >> 1;
  const [left, right] = [taken.slice(0, middle), taken.slice(middle)];
  const [next] = right;
  if (left.length === 0 || next === undefined) return undefined;
  const count = next.line - 1 - first;
  return [
    { first, lines: count, taken: left, bytes: bytesOf(left) },
    { first: first + count, lines: lines - count, taken: right, bytes: bytesOf(right) },
  ];
}

function bytesOf(taken: readonly TakenLine[]): number {
  return taken.reduce((sum, { bytes }) => sum + bytes, 0);
}

export const FRAME_LIMITS = {
  lines: 512,
  /** Of a connection's first frame: faults and first answers come soon. */
  firstLines: 64,
  /** Not counting the line that fills it: a minute's tokens are some frames at least. */
  bytes: 64 * 1024,
  /** Of one line: several times the text of the longest context. */
  lineBytes: 1024 * 1024,
  /** A frame goes when nothing more has arrived for so long. */
  pauseMs: 100,
} as const;

/** Charged frames of the stream that begin at a line or later, in order; an empty page where there are no more. */
export type ListCharged = (from: number) => Promise<readonly ChargedFrame[]>;

/** Frames of `pieces`, whose first line is line `first` of the stream. */
export async function* framesOf(
  pieces: AsyncGenerator<Uint8Array>,
  first: number,
  listCharged: ListCharged,
): AsyncGenerator<Frame> {
  const cutter = new Cutter(first);
  cutter.know(await listCharged(first));
  for (let next = pieces.next(); ; next = pieces.next()) {
    if (cutter.mayCut && !(await comesSoon(next))) yield cutter.cut();
    const { value, done } = await next;
    if (done === true) break;
    for (let at = 0; at < value.length;) {
      at = cutter.push(value, at);
      if (!cutter.isFull) continue;
      yield cutter.cut();
      if (cutter.isPastList) cutter.know(await listCharged(cutter.first));
    }
  }
  cutter.end();
  if (cutter.hasLines) yield cutter.cut();
}

async function comesSoon(next: Promise<unknown>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), FRAME_LIMITS.pauseMs);
  });
  try {
    return await Promise.race([next.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

class Cutter {
  /** The current frame's first line. */
  first: number;
  /** Charged frames from a line on, by their first line: how many lines they have. */
  #charged: ReadonlyMap<number, number> = new Map();
  #lastCharged = -1;
  /** How many lines the current frame had when it was charged; undefined: it was not. */
  #linesCharged: number | undefined;
  #line: number;
  #taken: TakenLine[] = [];
  #bytes = 0;
  #linesMax: number = FRAME_LIMITS.firstLines;
  readonly #pending = new PendingLine(FRAME_LIMITS.lineBytes);
  /** Whether a line has begun that has not ended. */
  #isInLine = false;

  constructor(first: number) {
    this.first = first;
    this.#line = first;
  }

  know(charged: readonly ChargedFrame[]): void {
    this.#charged = new Map(charged.map(({ first, lines }) => [first, lines]));
    this.#lastCharged = charged.at(-1)?.first ?? -1;
    this.#linesCharged = this.#charged.get(this.first);
  }

  get hasLines(): boolean {
    return this.#taken.length > 0;
  }

  /** Whether the frame may end here, though it is not full. */
  get mayCut(): boolean {
    return this.hasLines && this.#linesCharged === undefined;
  }

  get isFull(): boolean {
    if (!this.hasLines) return false;
    const lines = this.#line - this.first;
    if (this.#linesCharged !== undefined) return lines >= this.#linesCharged;
    return lines >= this.#linesMax || this.#bytes >= FRAME_LIMITS.bytes;
  }

  /** Whether frames were listed, all of them before here: there may be more. */
  get isPastList(): boolean {
    return this.#lastCharged >= 0 && this.#lastCharged < this.first;
  }

  /** Takes `bytes` from `at` on up to the end of a line; returns where it stopped. */
  push(bytes: Uint8Array, at: number): number {
    const end = bytes.indexOf(NEWLINE, at);
    this.#pending.add(bytes.subarray(at, end < 0 ? bytes.length : end));
    this.#isInLine = end < 0;
    if (end < 0) return bytes.length;
    this.#take();
    return end + 1;
  }

  /** The body has ended: its last line may lack a line end. */
  end(): void {
    if (this.#isInLine) this.#take();
  }

  #take(): void {
    this.#line += 1;
    const taken = this.#pending.take(this.#line);
    if (taken === undefined) return;
    this.#taken.push(taken);
    this.#bytes += taken.bytes;
  }

  cut(): Frame {
    const frame = { first: this.first, lines: this.#line - this.first, taken: this.#taken, bytes: this.#bytes };
    this.first = this.#line;
    this.#taken = [];
    this.#bytes = 0;
    this.#linesMax = FRAME_LIMITS.lines;
    this.#linesCharged = this.#charged.get(this.first);
    return frame;
  }
}
