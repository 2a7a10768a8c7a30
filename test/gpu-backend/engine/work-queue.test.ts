import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { EngineDied, TextsFailed } from "../../../gpu-backend/engine/types.ts";
import { type Unit, WorkQueue } from "../../../gpu-backend/engine/work-queue.ts";

const POISON = 666;

/** The answer a healthy process gives: each text's vector is its first id. */
function answer(unit: Unit) {
  return {
    kind: "result" as const,
    id: unit.id,
    vectors: Uint16Array.from(unit.texts, (text) => text[0] ?? 0),
    failed: [],
    runMs: 1,
  };
}
const texts = (...firsts: number[]) => firsts.map((first) => Int32Array.of(first));

/** Works through the queue with a process that dies whenever it computes POISON; gives how often it died. */
function work(queue: WorkQueue): number {
  let deaths = 0;
  for (;;) {
    while (queue.sentCount < 2 && queue.takeNext() !== undefined);
    const unit = queue.running;
    if (unit === undefined) return deaths;
    if (unit.texts.some((text) => text[0] === POISON)) {
      queue.processDied();
      deaths += 1;
    } else queue.settle(answer(unit));
  }
}

describe("the work queue of the engine", () => {
  it("retries the batch that ran at a death once whole", async () => {
    const queue = new WorkQueue(1);
    const result = queue.add(texts(1, 2));
    queue.takeNext();
    queue.processDied();
    expect(queue.takeNext()?.texts).toHaveLength(2);
    queue.settle(answer(queue.running ?? expect.unreachable()));
    expect([...(await result).vectors]).toEqual([1, 2]);
  });

  it("takes a batch apart at its second death, so that only the poisonous text fails", async () => {
    const queue = new WorkQueue(1);
    const result = queue.add(texts(1, POISON, 3)).catch((error: unknown) => error);
    expect(work(queue)).toBe(3);
    const failure = await result;
    if (!(failure instanceof TextsFailed)) throw failure;
    expect([...failure.failures.keys()]).toEqual([1]);
    expect(failure.failures.get(1)).toBeInstanceOf(EngineDied);
    expect([...failure.vectors]).toEqual([1, 0, 3]);
  });

  it("says of every text whose it is, also of a long one and when a batch is taken apart", async () => {
    const queue = new WorkQueue(1, 1);
    const result = queue.add([Int32Array.of(7, 7), ...texts(1, 2)], { owners: Int32Array.of(1, 0, 1) });
    expect([queue.takeNext(), queue.takeNext()].map((unit) => unit?.owners)).toEqual([
      Int32Array.of(1),
      Int32Array.of(0, 1),
    ]);
    queue.settle(answer(queue.running ?? expect.unreachable()));
    queue.processDied();
    queue.takeNext();
    queue.processDied();
    expect([queue.takeNext(), queue.takeNext()].map((unit) => unit?.owners)).toEqual([
      Int32Array.of(0),
      Int32Array.of(1),
    ]);
    work(queue);
    expect([...(await result).vectors]).toEqual([7, 1, 2]);
  });

  it("does not count a death against the batch that was only waiting behind the running one", async () => {
    const queue = new WorkQueue(1);
    const poisoned = queue.add(texts(POISON)).catch((error: unknown) => error);
    const innocent = queue.add(texts(5, 6));
    work(queue);
    expect(await poisoned).toBeInstanceOf(TextsFailed);
    expect([...(await innocent).vectors]).toEqual([5, 6]);
  });

  it("sends a long text's steps in turns with what waits, one at a time, and begins it anew after a death", async () => {
    const queue = new WorkQueue(1, 1);
    const long = queue.add([Int32Array.of(7, 7)]);
    const short = [queue.add(texts(1)), queue.add(texts(2))];
    const [first, second] = [queue.takeNext(), queue.takeNext()];
    expect([first?.long, second?.texts, queue.takeNext()?.texts]).toEqual([{ begun: false, dropped: false }, texts(1), texts(2)]); // prettier-ignore
    const id = first?.id ?? 0;
    expect(queue.stepped({ kind: "stepped", id, runMs: 1 })).toBeUndefined();
    expect(queue.takeNext()?.long?.begun).toBe(true);
    // The short one runs when the process dies: the long text has lost what was done of it, and no life.
    queue.processDied();
    expect(first?.long?.begun).toBe(false);
    expect(first?.deaths).toBe(0);
    work(queue);
    expect((await long).vectors).toEqual(Uint16Array.of(7));
    await Promise.all(short);
  });

  it("tells the process of a dropped long text when its step is done, and never of one that it has not begun", async () => {
    const queue = new WorkQueue(1, 1);
    const given = [[Int32Array.of(7, 7)], [Int32Array.of(8, 8)]] as const;
    const results = given.map((each) => expect(queue.add(each)).rejects.toThrow(EngineDied));
    const unit = queue.takeNext();
    expect(given.map((each) => queue.drop(each))).toEqual([[], []]);
    await Promise.all(results);
    expect(queue.takeNext()).toBeUndefined();
    expect(queue.stepped({ kind: "stepped", id: unit?.id ?? 0, runMs: 1 })).toBe(unit);
    expect([queue.running, queue.takeNext()]).toEqual([undefined, undefined]);
  });

  it("tells every waiting batch when the engine is given up", async () => {
    const queue = new WorkQueue(1);
    const results = [queue.add(texts(1)), queue.add(texts(2))].map((result) => result.catch((error: unknown) => error));
    queue.takeNext();
    queue.failAll(new EngineDied("gone"));
    for (const result of results) expect(await result).toBeInstanceOf(EngineDied);
    expect(queue.takeNext()).toBeUndefined();
  });

  it("answers every text once, with its own vector, through any deaths", async () => {
    const batches = fc.array(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }), {
      minLength: 1,
      maxLength: 6,
    });
    await fc.assert(
      fc.asyncProperty(batches, fc.array(fc.boolean(), { maxLength: 30 }), async (firsts, deaths) => {
        const queue = new WorkQueue(1);
        const results = firsts.map((batch) => queue.add(texts(...batch)).catch((error: unknown) => error));
        const plan = [...deaths];
        for (;;) {
          while (queue.sentCount < 2 && queue.takeNext() !== undefined);
          const unit = queue.running;
          if (unit === undefined) break;
          if (plan.shift() === true) queue.processDied();
          else queue.settle(answer(unit));
        }
        for (const [index, settled] of (await Promise.all(results)).entries()) {
          const expected = firsts[index] ?? [];
          if (settled instanceof TextsFailed) {
            expect([...settled.vectors]).toEqual(
              expected.map((first, position) => (settled.failures.has(position) ? 0 : first)),
            );
          } else expect(settled).toEqual({ vectors: Uint16Array.from(expected), runMs: expect.any(Number) });
        }
      }),
    );
  });
});
