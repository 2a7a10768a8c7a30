import { beforeEach, describe, expect, it } from "vitest";
import { Pool, RevisionGone } from "../../../edge/backend/pool.ts";
import {
  DIMENSIONS,
  FakeBackend,
  Gate,
  MODEL,
  ManualClock,
  REVISION_1,
  REVISION_2,
  fetchOf,
  vectorOf,
} from "../support/fake-backends.ts";
import type { Behaviour } from "../support/fake-backends.ts";
import { ACCOUNT, callOf, codeOf, poolOf, readyPool, textsOf } from "../support/pool-fixture.ts";
import { REQUEST_FRAME_BYTES_MAX } from "../../../shared/frame.ts";
import { idFromBytes } from "../../../shared/ids.ts";

const OVERLOADED = { code: "overloaded", message: "busy", index: null, facts: {}, retryAfterS: 4 } as const;
let clock: ManualClock;
let a: FakeBackend;
let b: FakeBackend;

beforeEach(() => {
  clock = new ManualClock();
  a = new FakeBackend("http://a");
  b = new FakeBackend("http://b");
});

describe("announcing", () => {
  it("asks /ready once for many calls, and again behind an answer when the report is old", async () => {
    const pool = poolOf([a], clock);
    const held: Promise<unknown>[] = [];
    const first = await pool.announced(MODEL, (work) => held.push(work));
    expect(first?.revision).toBe(REVISION_1);
    await pool.announced(MODEL, (work) => held.push(work));
    expect(a.readyCalls).toBe(1);
    clock.advance(6000);
    a.revision = REVISION_2;
    // The hot call gets what is known; the new revision is learned behind it.
    expect((await pool.announced(MODEL, (work) => held.push(work)))?.revision).toBe(REVISION_1);
    await Promise.all(held);
    expect((await pool.announced(MODEL, (work) => held.push(work)))?.revision).toBe(REVISION_2);
    expect(a.readyCalls).toBe(2);
  });

  it("waits for a new report rather than trust one of half a minute ago", async () => {
    const pool = await readyPool([a], clock);
    clock.advance(31_000);
    a.revision = REVISION_2;
    expect((await pool.announced(MODEL, () => undefined))?.revision).toBe(REVISION_2);
  });

  it("lets concurrent calls share one round of questions", async () => {
    const pool = poolOf([a], clock);
    await Promise.all(Array.from({ length: 20 }, async () => pool.announced(MODEL, () => undefined)));
    expect(a.readyCalls).toBe(1);
  });

  it("takes the revision that appeared last as current while a rolling update runs", async () => {
    const pool = await readyPool([a, b], clock);
    b.revision = REVISION_2;
    clock.advance(31_000);
    expect((await pool.announced(MODEL, () => undefined))?.revision).toBe(REVISION_2);
    // And back again, when the update is rolled back.
    a.revision = REVISION_2;
    clock.advance(31_000);
    await pool.announced(MODEL, () => undefined);
    a.revision = REVISION_1;
    clock.advance(31_000);
    expect((await pool.announced(MODEL, () => undefined))?.revision).toBe(REVISION_1);
  });

  it("keeps what it knew when every backend is down, and refuses another model behind the origin", async () => {
    const pool = await readyPool([a], clock);
    a.status = undefined;
    clock.advance(31_000);
    expect((await pool.announced(MODEL, () => undefined))?.revision).toBe(REVISION_1);
    expect(pool.states()[0]?.health).toBe("down");
    const other = new Pool({
      backends: [{ model: "owner/other", origin: "http://a" }],
      secret: "s",
      now: clock.now,
      sleep: clock.sleep,
      fetch: fetchOf([a]),
    });
    expect(await other.announced("owner/other", () => undefined)).toBeUndefined();
  });
});

describe("a call", () => {
  it("travels with secret, id, deadline, tier and an account's name that is not its id", async () => {
    const pool = await readyPool([a], clock);
    const answer = await pool.embed({ ...textsOf("x"), tier: "batch" }, REVISION_1, callOf({ deadlineMs: 1234 }));
    expect([...answer.vectors]).toEqual([...vectorOf("x", REVISION_1)]);
    expect(a.headers[0]?.get("authorization")).toBe("Bearer secret");
    expect(a.headers[0]?.get("x-request-id")).toBe("req_1");
    expect(a.headers[0]?.get("x-deadline-ms")).toBe("1234");
    expect(a.embeds[0]?.tier).toBe("batch");
    expect(a.embeds[0]?.revision).toBe(REVISION_1);
    expect(a.embeds[0]?.account).not.toContain(ACCOUNT.slice(5));
    expect(a.embeds[0]?.account.length).toBeGreaterThan(10);
  });

  it("goes to the backend with the least reported work, aged and with what was sent since", async () => {
    a.queueSeconds = 3;
    b.queueSeconds = 1;
    const pool = await readyPool([a, b], clock);
    await pool.embed(textsOf("x"), REVISION_1, callOf());
    expect([a.embeds.length, b.embeds.length]).toEqual([0, 1]);
    // A call in progress counts until b reports again: 10 estimated seconds of it.
    b.tokensPerSecond = 1;
    const gate = new Gate();
    b.behaviour = { kind: "waits", go: gate.opened };
    clock.advance(31_000);
    await pool.announced(MODEL, () => undefined);
    const slow = pool.embed(textsOf("y".repeat(40)), REVISION_1, callOf());
    await expect.poll(() => b.signals.length).toBe(2);
    await pool.embed(textsOf("z"), REVISION_1, callOf());
    expect(a.embeds.length).toBe(1);
    gate.open();
    await slow;
  });

  it("chooses of two at random by its own calls when the reports are old", async () => {
    const pool = await readyPool([a, b], clock, { random: () => 0.9 });
    a.queueSeconds = 100;
    clock.advance(11_000);
    // Both blind: the random first of two wins the tie, whatever was reported long ago.
    await pool.embed(textsOf("x"), REVISION_1, callOf());
    expect(a.embeds.length + b.embeds.length).toBe(1);
  });

  it.each([
    ["refuses connections", { kind: "refuses connections" }],
    ["answers 503", { kind: "fault", fault: OVERLOADED }],
    ["answers half a frame", { kind: "half a frame" }],
    ["answers a damaged frame", { kind: "damaged frame" }],
    ["answers another number of vectors", { kind: "wrong count" }],
    ["answers vectors of another revision", { kind: "wrong revision" }],
    ["answers a proxy's page", { kind: "answers", status: 502, body: "<html>bad gateway</html>" }],
  ] as const)("is served elsewhere, once, when a backend %s", async (_, behaviour) => {
    b.queueSeconds = 5;
    const pool = await readyPool([a, b], clock);
    a.behaviour = behaviour;
    const answer = await pool.embed(textsOf("x"), REVISION_1, callOf());
    expect([...answer.vectors]).toEqual([...vectorOf("x", REVISION_1)]);
    expect(b.embeds.length).toBe(1);
  });

  it("is never sent a third time", async () => {
    const c = new FakeBackend("http://c");
    const all = [a, b, c];
    const pool = await readyPool(all, clock);
    for (const backend of all) backend.behaviour = { kind: "wrong count" };
    expect(await codeOf(pool.embed(textsOf("x"), REVISION_1, callOf()))).toBe("backend_unavailable");
    expect(all.reduce((sum, { embeds }) => sum + embeds.length, 0)).toBe(2);
  });

  it("gets an overload at once, with the backend's own wait, when there is no other backend", async () => {
    const pool = await readyPool([a], clock);
    a.behaviour = { kind: "fault", fault: OVERLOADED };
    const before = clock.nowMs;
    await expect(pool.embed(textsOf("x"), REVISION_1, callOf())).rejects.toMatchObject({
      fault: { code: "overloaded", retryAfterS: 4 },
    });
    expect(clock.nowMs).toBe(before);
  });

  it("names the caller's item and gives the facts when a text is at fault, and does not try elsewhere", async () => {
    const pool = await readyPool([a, b], clock);
    const fault = {
      code: "context_length_exceeded",
      message: "inner words",
      index: 1,
      facts: { tokens: 9000, maxTokens: 8192, counted: 1 },
      retryAfterS: null,
    } as const;
    a.behaviour = { kind: "fault", fault };
    b.behaviour = { kind: "fault", fault };
    const failed = pool.embed(textsOf("x", "y"), REVISION_1, callOf({ itemOf: (index) => `documents[${index + 40}]` }));
    await expect(failed).rejects.toMatchObject({
      fault: {
        code: "context_length_exceeded",
        param: "documents[41]",
        message: expect.stringMatching(/^documents\[41\] has 9000 tokens; .* at most 8192/),
      },
    });
    expect(a.embeds.length + b.embeds.length).toBe(1);
  });

  it("is served elsewhere when a backend has died without a word, and waits for one that is only slow", async () => {
    b.queueSeconds = 5;
    const pool = await readyPool([a, b], clock);
    a.behaviour = { kind: "hangs" };
    a.status = undefined;
    const before = clock.nowMs;
    const answer = await pool.embed(textsOf("x"), REVISION_1, callOf());
    expect([...answer.vectors]).toEqual([...vectorOf("x", REVISION_1)]);
    expect(clock.nowMs - before).toBe(5000);
    const slow = new Gate();
    b.behaviour = { kind: "waits", go: slow.opened };
    const waiting = pool.embed(textsOf("y"), REVISION_1, callOf());
    await expect.poll(() => clock.nowMs - before).toBeGreaterThan(40_000);
    slow.open();
    expect((await waiting).tokens).toEqual([2]);
  });

  it("ends with its deadline when a backend hangs, and with its caller when that goes", async () => {
    clock.stands = true;
    const pool = await readyPool([a], clock);
    a.behaviour = { kind: "hangs" };
    expect(await codeOf(pool.embed(textsOf("x"), REVISION_1, callOf({ deadlineMs: 5 })))).toBe("deadline_exceeded");
    const caller = new AbortController();
    const failed = codeOf(pool.embed(textsOf("x"), REVISION_1, callOf({ signal: caller.signal })));
    await expect.poll(() => a.signals.length).toBe(2);
    caller.abort();
    expect(await failed).toBe("client_closed_request");
    expect(a.signals[1]?.aborted).toBe(true);
  });
});

describe("a cold model", () => {
  it("holds the call until a backend is ready", async () => {
    a.status = "warming";
    const pool = poolOf([a], clock);
    let slept = 0;
    clock.duringSleep = (ms) => {
      slept += ms;
      if (slept > 10_000) a.status = "ready";
    };
    const ready = await pool.awaitReady(MODEL, callOf());
    expect(ready.revision).toBe(REVISION_1);
    expect(slept).toBeLessThan(13_000);
  });

  it("gives up after the hold with 503 and Retry-After 30", async () => {
    a.status = undefined;
    const pool = poolOf([a], clock);
    const before = clock.nowMs;
    await expect(pool.awaitReady(MODEL, callOf())).rejects.toMatchObject({
      fault: { code: "model_not_ready", retryAfterS: 30 },
    });
    expect(clock.nowMs - before).toBeGreaterThanOrEqual(25_000);
    expect(clock.nowMs - before).toBeLessThan(27_000);
  });

  it("is not held at all without a backend in the configuration, nor longer than the caller's deadline", async () => {
    const pool = poolOf([], clock);
    expect(await codeOf(pool.awaitReady(MODEL, callOf()))).toBe("model_not_ready");
    a.status = undefined;
    const cold = poolOf([a], clock);
    const before = clock.nowMs;
    expect(await codeOf(cold.awaitReady(MODEL, callOf({ deadlineMs: 3000 })))).toBe("deadline_exceeded");
    expect(clock.nowMs - before).toBeLessThan(5000);
  });

  it("sends a call again to its only backend once that has come back", async () => {
    const pool = await readyPool([a], clock);
    a.behaviour = { kind: "refuses connections" };
    let slept = 0;
    clock.duringSleep = (ms) => {
      slept += ms;
      if (slept > 3000) a.behaviour = { kind: "well" };
    };
    const answer = await pool.embed(textsOf("x"), REVISION_1, callOf());
    expect(answer.tokens).toEqual([2]);
    expect(a.embeds.length).toBe(1);
  });
});

describe("the breaker", () => {
  const other = (byte: number) => ({
    ...textsOf("x"),
    accountId: idFromBytes("account", new Uint8Array(10).fill(byte + 1)),
  });
  const patient = callOf({ coldHoldMs: 0 });

  it("leaves a failing backend alone, lets one call probe it, and closes after an answer", async () => {
    const pool = await readyPool([a], clock);
    a.behaviour = { kind: "wrong count" };
    for (let call = 0; call < 3; call += 1) await codeOf(pool.embed(other(call), REVISION_1, callOf()));
    expect(pool.states()[0]?.breaker).toBe("open");
    a.behaviour = { kind: "well" };
    expect(await codeOf(pool.embed(textsOf("x"), REVISION_1, patient))).toBe("model_not_ready");
    expect(a.embeds.length).toBe(3);
    clock.advance(1001);
    await pool.embed(textsOf("x"), REVISION_1, patient);
    expect(pool.states()[0]?.breaker).toBe("closed");
  });

  it.each<Behaviour>([
    { kind: "wrong count" },
    { kind: "answers", status: 413, body: "<html>Payload too large</html>" },
    { kind: "answers", status: 403, body: "<html>A firewall's page</html>" },
    { kind: "answers", status: 502, body: "" },
    { kind: "fault", fault: { ...OVERLOADED, code: "internal_error" } },
    { kind: "fault", fault: { ...OVERLOADED, code: "vector_not_finite" } },
    { kind: "fault", fault: { ...OVERLOADED, code: "body_too_large" } },
  ])("stays closed to others whatever one account's calls run into: %o", async (behaviour) => {
    const pool = await readyPool([a], clock);
    await pool.embed(other(1), REVISION_1, patient);
    for (let call = 0; call < 20; call += 1) {
      a.behaviour = behaviour;
      await codeOf(pool.embed(textsOf("x"), REVISION_1, patient));
      a.behaviour = { kind: "well" };
      expect((await pool.embed(other(1), REVISION_1, patient)).tokens).toEqual([2]);
    }
  });

  it("never hears of what was too large to be sent, nor of a proxy that would not take it: the caller does", async () => {
    const pool = await readyPool([a], clock);
    const ids = Array.from({ length: REQUEST_FRAME_BYTES_MAX / 4 + 1 }, () => 1);
    const large = { ...textsOf(), texts: [{ kind: "ids" as const, ids }] };
    const texts = textsOf("x".repeat(REQUEST_FRAME_BYTES_MAX));
    for (const request of [large, texts]) {
      expect(await codeOf(pool.embed(request, REVISION_1, patient))).toBe("too_many_tokens");
      expect(await codeOf(pool.tokenize(request, patient))).toBe("too_many_tokens");
    }
    expect([a.embeds.length, a.tokenizes.length]).toEqual([0, 0]);
    a.behaviour = { kind: "answers", status: 413, body: "" };
    expect(await codeOf(pool.embed(textsOf("x"), REVISION_1, patient))).toBe("too_many_tokens");
    a.behaviour = { kind: "answers", status: 415, body: "" };
    expect(await codeOf(pool.embed(textsOf("x"), REVISION_1, patient))).toBe("backend_unavailable");
  });
});

describe("revisions", () => {
  it("tells the caller to look up again when the pinned revision is served no more", async () => {
    const pool = await readyPool([a], clock);
    a.revision = REVISION_2;
    a.behaviour = { kind: "fault", fault: { ...OVERLOADED, code: "model_not_ready" } };
    const failed = pool.embed(textsOf("x"), REVISION_1, callOf());
    await expect(failed).rejects.toBeInstanceOf(RevisionGone);
  });

  it("says so too when several backends were replaced at once", async () => {
    const pool = await readyPool([a, b], clock);
    a.revision = REVISION_2;
    b.revision = REVISION_2;
    await expect(pool.embed(textsOf("x"), REVISION_1, callOf())).rejects.toBeInstanceOf(RevisionGone);
  });

  it("sends a pinned call only to backends of that revision", async () => {
    b.revision = REVISION_2;
    a.queueSeconds = 50;
    const pool = await readyPool([a, b], clock);
    await pool.embed(textsOf("x"), REVISION_1, callOf());
    expect([a.embeds.length, b.embeds.length]).toEqual([1, 0]);
  });
});

describe("a large request", () => {
  it("is split by tokens over the backends of its revision and joined in order", async () => {
    const pool = await readyPool([a, b], clock);
    const texts = ["s", long("t"), "u", long("v"), long("w"), long("x")];
    const answer = await pool.embed(textsOf(...texts), REVISION_1, callOf());
    expect([a.embeds.length, b.embeds.length]).toEqual([1, 1]);
    expect(answer.tokens).toEqual(texts.map((text) => text.length + 1));
    for (const [index, text] of texts.entries()) {
      const own = answer.vectors.subarray(index * DIMENSIONS, (index + 1) * DIMENSIONS);
      expect([...own]).toEqual([...vectorOf(text, REVISION_1)]);
    }
  });

  it("names the right item when a later part has the fault, and stops the other part", async () => {
    const pool = await readyPool([a, b], clock);
    const fault = { code: "text_too_complex", message: "too complex", index: 0, facts: {}, retryAfterS: null } as const;
    a.behaviour = { kind: "hangs" };
    b.behaviour = { kind: "fault", fault };
    const texts = [long("t"), long("v"), long("w"), long("x")];
    const error: unknown = await pool.embed(textsOf(...texts), REVISION_1, callOf()).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      fault: { code: "text_too_complex", param: expect.stringMatching(/^input\[[02]\]$/) },
    });
    expect(a.signals[0]?.aborted).toBe(true);
  });
});

describe("tokenize", () => {
  it("counts exactly and runs nothing", async () => {
    const pool = await readyPool([a], clock);
    const counted = await pool.tokenize(textsOf("abc", "d"), callOf());
    expect(counted.tokens).toEqual([4, 2]);
    expect(a.embeds.length).toBe(0);
  });
});

function long(letter: string): string {
  return letter.repeat(40_000);
}
