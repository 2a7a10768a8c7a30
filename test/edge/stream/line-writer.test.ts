// A stream's writer tells a client that reads from one that does not.

import { expect, test } from "vitest";
import { CallTimer } from "../../../edge/lib/call-timer.ts";
import { LineWriter, ReaderGone } from "../../../edge/stream/line-writer.ts";

/** A timer whose time is moved by hand. */
function handTimer() {
  let nowMs = 0;
  const rings: { readonly atMs: number; readonly ring: () => void }[] = [];
  const timer = new CallTimer(
    () => nowMs,
    (ring, ms) => rings.push({ atMs: nowMs + ms, ring }),
  );
  return {
    timer,
    async pass(this: void, ms: number) {
      for (const untilMs = nowMs + ms; nowMs < untilMs;) {
        nowMs = Math.min(untilMs, Math.min(...rings.map(({ atMs }) => atMs), untilMs));
        for (const due of rings.filter(({ atMs }) => atMs <= nowMs)) {
          rings.splice(rings.indexOf(due), 1);
          due.ring();
        }
        await scheduler.wait(0);
      }
    },
  };
}

function writerWith(timer: CallTimer) {
  const { readable, writable } = new IdentityTransformStream();
  const seen: string[] = [];
  const on = { touch: () => void seen.push("taken"), notReading: () => void seen.push("not reading") };
  return { writer: new LineWriter(timer, writable, on), reader: readable.getReader(), seen };
}

const PIECE = new Uint8Array([1]);

test("a client that reads is left alone, and one that stalls is told of once it has for ten seconds", async () => {
  const { timer, pass } = handTimer();
  const { writer, reader, seen } = writerWith(timer);
  const first = writer.send(PIECE);
  await pass(9000);
  await reader.read();
  await first;
  expect(seen).toEqual(["taken"]);
  const second = writer.send(PIECE);
  await pass(9000);
  expect(seen).toEqual(["taken"]);
  await pass(2000);
  expect(seen).toEqual(["taken", "not reading"]);
  await reader.read();
  await second;
  expect(seen).toEqual(["taken", "not reading", "taken"]);
});

test("a client that takes nothing for two minutes is gone", async () => {
  const { timer, pass } = handTimer();
  const { writer, seen } = writerWith(timer);
  const sent = writer.send(PIECE).then(
    () => "taken",
    (error: unknown) => error,
  );
  await pass(121_000);
  expect(await sent).toBeInstanceOf(ReaderGone);
  expect(seen).toEqual(["not reading"]);
});

test("while work takes its time there is a tick a second, and its fault is passed on", async () => {
  const { timer, pass } = handTimer();
  const { writer } = writerWith(timer);
  let ticks = 0;
  let done = (_result: string): void => undefined;
  const work = new Promise<string>((resolve) => {
    done = resolve;
  });
  const waited = writer.whileWaiting(work, () => Promise.resolve(void (ticks += 1)));
  await pass(3500);
  done("result");
  expect(await waited).toBe("result");
  expect(ticks).toBe(3);
  await expect(writer.whileWaiting(Promise.reject(new Error("no")), () => Promise.resolve())).rejects.toThrow("no");
});
