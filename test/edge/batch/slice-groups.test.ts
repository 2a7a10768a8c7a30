// Which calls of a slice run at once, and what is left of them when one fails.
import { expect, test } from "vitest";
import { inGroups } from "../../../edge/batch/slice-groups.ts";
import type { RunnableLine } from "../../../edge/batch/slice-prepare.ts";
import { PART_TOKENS_MIN } from "../../../edge/backend/split.ts";
import { must } from "../../../shared/assert.ts";
import { apiError } from "../../../shared/errors.ts";

/** A line that shares its call with no other. */
const lineOf = (line: number, tokensMax: number): RunnableLine =>
  ({ line, tokensMax, prepared: { model: { id: "m" }, prefix: `${line}`, texts: [] } }) as unknown as RunnableLine;

/** Runs `lines`, each call until it is let go; writes down what began, and which calls ran then. */
function begun(lines: readonly RunnableLine[]) {
  const running = new Map<number, { end: () => void; fail: (error: unknown) => void }>();
  const beside: number[][] = [];
  const done: number[] = [];
  const all = inGroups(lines, {
    call: ([first]) =>
      new Promise<void>((end, fail) => {
        running.set(must(first, "a line").line, { end, fail });
        beside.push([...running.keys()]);
      }).finally(() => running.delete(must(first, "a line").line)),
    done: ([first]) => void done.push(must(first, "a line").line),
    failed: () => undefined,
  });
  const of = (line: number) => must(running.get(line), "a call that runs");
  return { all, beside, done, of };
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

test("three small calls run at once, and those that may go to several backends one by one after them", async () => {
  const { all, beside, done, of } = begun([lineOf(0, 2 * PART_TOKENS_MIN), ...[1, 2, 3, 4].map((n) => lineOf(n, 9))]);
  await turn();
  expect(beside.at(-1)).toEqual([1, 2, 3]);
  of(2).end();
  await turn();
  expect(beside.at(-1)).toEqual([1, 3, 4]);
  for (const line of [1, 3, 4]) of(line).end();
  await turn();
  expect(beside.at(-1)).toEqual([0]);
  of(0).end();
  await all;
  expect(done.toSorted()).toEqual([0, 1, 2, 3, 4]);
});

test("a fault that is no line's own ends the slice when the calls beside it have ended, and no other begins", async () => {
  const { all, beside, of } = begun([1, 2, 3, 4].map((line) => lineOf(line, 9)));
  await turn();
  let over = false;
  const outcome = all.catch((error: unknown) => error).finally(() => (over = true));
  of(1).fail(apiError("overloaded", "full", null, 1));
  await turn();
  expect([over, beside.length]).toEqual([false, 3]);
  for (const line of [2, 3]) of(line).end();
  expect(await outcome).toMatchObject({ fault: { code: "overloaded" } });
  expect(beside).toHaveLength(3);
});
