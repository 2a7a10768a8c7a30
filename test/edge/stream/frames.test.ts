// How a body of lines is cut into frames.

import { describe, expect, test } from "vitest";
import { FRAME_LIMITS, framesOf } from "../../../edge/stream/frames.ts";
import type { Frame, ListCharged } from "../../../edge/stream/frames.ts";

const NOTHING: ListCharged = () => Promise.resolve([]);
const encoder = new TextEncoder();

async function* inPieces(text: string, bytes: number): AsyncGenerator<Uint8Array> {
  const whole = encoder.encode(text);
  for (let at = 0; at < whole.length; at += bytes) yield whole.subarray(at, at + bytes);
}

async function cut(text: string, listCharged = NOTHING, first = 0, bytes = 1000): Promise<Frame[]> {
  const frames: Frame[] = [];
  for await (const frame of framesOf(inPieces(text, bytes), first, listCharged)) frames.push(frame);
  return frames;
}

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `${index}\n`).join("");
const spans = (frames: readonly Frame[]) => frames.map(({ first, lines }) => [first, lines]);

test.each([1, 2, 7, 1000])("pieces of %i bytes change nothing", async (bytes) => {
  const frames = await cut(numbered(1000), NOTHING, 0, bytes);
  expect(spans(frames)).toEqual([
    [0, 64],
    [64, 512],
    [576, 424],
  ]);
  expect(frames.flatMap(({ taken }) => taken.map(({ text }) => text))).toEqual(
    Array.from({ length: 1000 }, (_, index) => String(index)),
  );
});

test("a frame is full with its bytes, and the line that fills it is its last", async () => {
  const line = `${"x".repeat(FRAME_LIMITS.bytes - 1)}\n`;
  expect(spans(await cut(`${line}${line}a\nb`))).toEqual([
    [0, 2],
    [2, 2],
  ]);
});

test("blank lines are counted and not sent, wherever a frame ends", async () => {
  const frames = await cut(`\n\n${"a\n\n".repeat(40)}\n\nb`);
  expect(spans(frames)).toEqual([
    [0, 64],
    [64, 21],
  ]);
  expect(frames.flatMap(({ taken }) => taken.map(({ line }) => line)).slice(0, 3)).toEqual([3, 5, 7]);
  expect(frames.at(-1)?.taken.at(-1)).toMatchObject({ line: 85, text: "b" });
});

describe("a stream that was charged before", () => {
  const charged = [
    { first: 0, lines: 10 },
    { first: 10, lines: 300 },
    { first: 310, lines: 1 },
  ];

  test("is cut as it was, a page of the list after the other, and freely behind it", async () => {
    const asked: number[] = [];
    const list: ListCharged = (from) => {
      asked.push(from);
      return Promise.resolve(charged.filter(({ first }) => first >= from).slice(0, 2));
    };
    expect(spans(await cut(numbered(1000), list))).toEqual([
      [0, 10],
      [10, 300],
      [310, 1],
      [311, 512],
      [823, 177],
    ]);
    expect(asked).toEqual([0, 310, 311]);
  });

  test("is cut from the line where it is resumed", async () => {
    const list: ListCharged = (from) => Promise.resolve(charged.filter(({ first }) => first >= from));
    expect(spans(await cut(numbered(500), list, 10)).slice(0, 3)).toEqual([
      [10, 300],
      [310, 1],
      [311, 199],
    ]);
  });

  test("waits for the lines of its frame through pauses", async () => {
    const list: ListCharged = () => Promise.resolve([{ first: 0, lines: 3 }]);
    async function* slowly(): AsyncGenerator<Uint8Array> {
      yield encoder.encode("1\n");
      await scheduler.wait(2 * FRAME_LIMITS.pauseMs);
      yield encoder.encode("2\n3\n4\n");
    }
    const frames: Frame[] = [];
    for await (const frame of framesOf(slowly(), 0, list)) frames.push(frame);
    expect(spans(frames)).toEqual([
      [0, 3],
      [3, 1],
    ]);
  });
});

test("a pause ends a frame, and the line that has begun belongs to the next", async () => {
  async function* slowly(): AsyncGenerator<Uint8Array> {
    yield encoder.encode("1\n2");
    await scheduler.wait(2 * FRAME_LIMITS.pauseMs);
    yield encoder.encode("2\n3\n");
  }
  const frames: Frame[] = [];
  for await (const frame of framesOf(slowly(), 0, NOTHING)) frames.push(frame);
  expect(frames.map(({ taken }) => taken.map(({ text }) => text))).toEqual([["1"], ["22", "3"]]);
});
