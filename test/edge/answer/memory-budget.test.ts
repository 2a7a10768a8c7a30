import { describe, expect, it } from "vitest";
import {
  MEMORY_BYTES_MAX,
  MEMORY_LEASE_IDLE_MS,
  MemoryBudget,
  OWNER_BYTES_MAX,
  bodyMemory,
  frameMemory,
  parseMemory,
} from "../../../edge/lib/memory-budget.ts";
import { LIMITS } from "../../../edge/settings.ts";

const NO_ROOM = { code: "overloaded", message: expect.stringContaining("of this account"), retryAfterS: 1 };

class FakeCache {
  bytes = 0;
  shrinkTo(bytes: number): void {
    this.bytes = Math.min(this.bytes, bytes);
  }
}

describe("the isolate's memory", () => {
  it("is refused with 503 and Retry-After 1 when requests hold all of it, and free again afterwards", () => {
    const budget = new MemoryBudget(new FakeCache(), () => 0, 100);
    const first = budget.take(60);
    expect(() => budget.take(41)).toThrow(
      expect.objectContaining({ fault: expect.objectContaining({ code: "overloaded", retryAfterS: 1 }) }),
    );
    budget.take(40);
    first.release();
    first.release();
    expect(budget.heldBytes).toBe(40);
    budget.take(60);
  });

  it("is taken from the cache before a request is refused", () => {
    const cache = new FakeCache();
    cache.bytes = 80;
    const budget = new MemoryBudget(cache, () => 0, 100);
    const lease = budget.take(50);
    expect(cache.bytes).toBe(50);
    lease.grow(50);
    expect(cache.bytes).toBe(0);
    expect(() => lease.grow(1)).toThrow("memory");
    expect(lease.bytes).toBe(100);
  });

  it("comes back from requests that nobody has heard of for long, and from no others", () => {
    let nowMs = 0;
    const budget = new MemoryBudget(new FakeCache(), () => nowMs, 100);
    budget.take(50);
    const alive = budget.take(50);
    nowMs = MEMORY_LEASE_IDLE_MS;
    alive.touch();
    nowMs += 1;
    budget.take(50);
    expect(() => budget.take(1)).toThrow("memory");
  });

  it("is refused to the account whose requests wait to be admitted with too much of it, and to no other", () => {
    const budget = new MemoryBudget(new FakeCache(), () => 0);
    const own = Array.from({ length: 4 }, () => budget.take(OWNER_BYTES_MAX / 4, "a"));
    expect(() => budget.take(1, "a")).toThrow(expect.objectContaining({ fault: { ...NO_ROOM, param: null } }));
    expect(() => own[0]?.grow(1)).toThrow("of this account");
    budget.take(OWNER_BYTES_MAX, "b").release();
    own[0]?.admit();
    own[0]?.admit();
    own[0]?.grow(OWNER_BYTES_MAX / 4);
    own[1]?.release();
    own[1]?.admit();
    budget.take(OWNER_BYTES_MAX / 2, "a");
    expect(() => budget.take(1, "a")).toThrow("of this account");
  });

  it("has room for a body of the largest size while its account has no other", () => {
    const budget = new MemoryBudget(new FakeCache(), () => 0);
    const lease = budget.take(bodyMemory(0), "a");
    lease.grow(LIMITS.bodyBytesMax);
    lease.grow(parseMemory(LIMITS.bodyBytesMax));
    expect(lease.bytes).toBe(bodyMemory(LIMITS.bodyBytesMax));
  });

  it("holds eight of the largest answers at once, and not sixteen", () => {
    const budget = new MemoryBudget(new FakeCache(), () => 0);
    const each = bodyMemory(100_000) + frameMemory(2048, 2560);
    for (let answer = 0; answer < 8; answer += 1) budget.take(each);
    expect(() => {
      for (let answer = 8; answer < 16; answer += 1) budget.take(each);
    }).toThrow("memory");
    expect(budget.heldBytes).toBeLessThanOrEqual(MEMORY_BYTES_MAX);
  });
});
