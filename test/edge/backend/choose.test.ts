import { expect, it } from "vitest";
import { choose } from "../../../edge/backend/choose.ts";

const candidate = (queueSeconds: number | undefined, inFlight = 0) => ({ queueSeconds, inFlight });

it("takes the least loaded, and one of several equals at random", () => {
  expect(choose([candidate(3), candidate(1), candidate(2)], () => 0.99)).toBe(1);
  expect(choose([candidate(1), candidate(5), candidate(1)], () => 0)).toBe(0);
  expect(choose([candidate(1), candidate(5), candidate(1)], () => 0.99)).toBe(2);
});

it("draws two different ones when blind and takes the one with fewer calls", () => {
  const blind = [candidate(undefined, 9), candidate(0, 1), candidate(undefined, 5)];
  for (let first = 0; first < 3; first += 1) {
    const draws = [first / 3 + 0.01, 0];
    expect(choose(blind, () => draws.shift() ?? 0)).toBe([1, 1, 2][first]);
  }
});

it("spreads calls within a factor of two over equal backends, without any report", () => {
  const calls = [0, 0, 0, 0];
  let seed = 1;
  const random = (): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  for (let call = 0; call < 400; call += 1) {
    const chosen = choose(
      calls.map((inFlight) => candidate(undefined, inFlight)),
      random,
    );
    calls[chosen] = (calls[chosen] ?? 0) + 1;
  }
  expect(Math.max(...calls) - Math.min(...calls)).toBeLessThan(10);
});

it("refuses to choose from nothing", () => {
  expect(() => choose([], () => 0)).toThrow("candidates");
});
