import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { TurnQueue } from "../../../gpu-backend/tokenizer/turn-queue.ts";

const owner = (account: string, tier: "interactive" | "batch" = "interactive") => ({ account, tier });

describe("the tokenizer's queue", () => {
  it("gives accounts that all have work the same share of it, however many calls and items each has", () => {
    const flood = fc.record({ calls: fc.integer({ min: 1, max: 5 }), cost: fc.integer({ min: 5, max: 500 }) });
    fc.assert(
      fc.property(fc.array(flood, { minLength: 2, maxLength: 6 }), (accounts) => {
        const queue = new TurnQueue<{ account: number; cost: number }>();
        const served = accounts.map(() => 0);
        for (const [account, { calls, cost }] of accounts.entries()) {
          for (let call = 0; call < calls; call += 1) {
            const own = owner(`${account}`);
            for (let left = 4_000; left > 0; left -= cost) queue.push(own, { account, cost }, cost);
          }
        }
        while (Math.max(...served) < 3_000) {
          const taken = queue.take();
          if (taken === undefined) expect.fail("all have work");
          served[taken.account] = (served[taken.account] ?? 0) + taken.cost;
        }
        // By two items of the largest at most: one that is being served, one that was.
        const costMax = Math.max(...accounts.map(({ cost }) => cost));
        expect(Math.max(...served) - Math.min(...served)).toBeLessThanOrEqual(2 * costMax);
      }),
    );
  });

  it("gives an account that always asks for one more item when it has got one no more than its share", () => {
    const queue = new TurnQueue<string>();
    const lists = ["a", "b", "c"];
    for (const account of lists) {
      const own = owner(account);
      for (let item = 0; item < 400; item += 1) queue.push(own, account, 10);
    }
    const served = new Map<string, number>();
    queue.push(owner("eager"), "eager", 10);
    for (let turn = 0; turn < 400; turn += 1) {
      const taken = queue.take() ?? "nobody";
      served.set(taken, (served.get(taken) ?? 0) + 1);
      if (taken === "eager") queue.push(owner("eager"), "eager", 10);
    }
    for (const account of [...lists, "eager"]) expect(served.get(account)).toBeGreaterThanOrEqual(99);
  });

  it("lets who comes last wait for one item of each of the others at most", () => {
    const queue = new TurnQueue<string>();
    for (const account of ["a", "b", "c"]) {
      for (let call = 0; call < 50; call += 1) queue.push(owner(account), account, 100);
    }
    for (let turn = 0; turn < 60; turn += 1) queue.take();
    queue.push(owner("new"), "new", 100);
    expect(Array.from({ length: 4 }, () => queue.take())).toContain("new");
  });

  it("starves neither tier", () => {
    const queue = new TurnQueue<string>();
    for (let item = 0; item < 100; item += 1) {
      queue.push(owner("a"), "interactive", 1);
      queue.push(owner("b", "batch"), "batch", 1);
    }
    const first = Array.from({ length: 40 }, () => queue.take());
    expect(first.filter((tier) => tier === "batch")).toHaveLength(10);
  });

  it("forgets a call, and nothing else of its account", () => {
    const queue = new TurnQueue<string>();
    const [one, two] = [owner("a"), owner("a")];
    queue.push(one, "one", 5);
    queue.push(two, "two", 7);
    queue.push(one, "one", 5);
    queue.drop(one);
    queue.drop(one);
    expect([queue.size, queue.waitingOf(one), queue.take(), queue.take()]).toEqual([1, 7, "two", undefined]);
    expect([queue.size, queue.waitingOf(one)]).toEqual([0, 0]);
  });
});
