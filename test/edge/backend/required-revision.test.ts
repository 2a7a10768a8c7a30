// A revision that a call requires: found at any backend that has it, and refused by what is known now.

import { beforeEach, describe, expect, it } from "vitest";
import type { Pool } from "../../../edge/backend/pool.ts";
import type { ModelRevision } from "../../../shared/ids.ts";
import { FakeBackend, MODEL, ManualClock, REVISION_1, REVISION_2 } from "../support/fake-backends.ts";
import { callOf, codeOf, poolOf, readyPool, textsOf } from "../support/pool-fixture.ts";

let clock: ManualClock;
let a: FakeBackend;
let b: FakeBackend;

beforeEach(() => {
  clock = new ManualClock();
  a = new FakeBackend("http://a");
  b = new FakeBackend("http://b");
});

describe("a required revision", () => {
  const required = async (pool: Pool, revision: ModelRevision) => pool.announced(MODEL, () => undefined, revision);

  it("is found wherever a ready backend has it, and refused once none has", async () => {
    b.revision = REVISION_2;
    const pool = await readyPool([a, b], clock);
    expect((await required(pool, REVISION_1))?.revision).toBe(REVISION_1);
    expect((await required(pool, REVISION_2))?.revision).toBe(REVISION_2);
    await pool.tokenize(textsOf("x"), callOf(), REVISION_1);
    expect([a.tokenizes.length, b.tokenizes.length]).toEqual([1, 0]);
    a.revision = REVISION_2;
    // Not known yet: the backend itself refuses.
    expect(await codeOf(pool.tokenize(textsOf("x"), callOf(), REVISION_1))).toBe("revision_changed");
    expect(await codeOf(required(pool, REVISION_1))).toBe("revision_changed");
    expect((await required(pool, REVISION_2))?.revision).toBe(REVISION_2);
  });

  it("is not refused by a report of over a second ago: another isolate may know more", async () => {
    const pool = await readyPool([a], clock);
    a.revision = REVISION_2;
    expect(await codeOf(required(pool, REVISION_2))).toBe("revision_changed");
    clock.nowMs += 1001;
    expect((await required(pool, REVISION_2))?.revision).toBe(REVISION_2);
  });

  it("is not that of a backend that is no longer ready, while another one is", async () => {
    b.revision = REVISION_2;
    const pool = await readyPool([a, b], clock);
    a.status = undefined;
    clock.nowMs += 31_000;
    expect(await codeOf(required(pool, REVISION_1))).toBe("revision_changed");
  });

  it("is waited for like any other while the model is cold", async () => {
    a.status = "warming";
    const pool = poolOf([a], clock);
    expect(await required(pool, REVISION_2)).toBeUndefined();
    clock.duringSleep = () => void (a.status = "ready");
    expect((await pool.awaitReady(MODEL, callOf(), REVISION_1)).revision).toBe(REVISION_1);
    const other = poolOf([b], clock);
    b.status = "warming";
    clock.duringSleep = () => void (b.status = "ready");
    expect(await codeOf(other.awaitReady(MODEL, callOf(), REVISION_2))).toBe("revision_changed");
  });
});
