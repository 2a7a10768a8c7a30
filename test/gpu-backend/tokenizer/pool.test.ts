import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { CheckpointError } from "../../../gpu-backend/checkpoint/checkpoint-error.ts";
import type { TokenizerInput } from "../../../gpu-backend/tokenizer/messages.ts";
import { TokenizerPool } from "../../../gpu-backend/tokenizer/pool.ts";
import { TextFault } from "../../../gpu-backend/tokenizer/text-fault.ts";
import { ApiError } from "../../../shared/errors.ts";
import { DEMO_MODEL_DIR, readDemoReference } from "../engine/demo-reference.ts";
import { demoTokenizer, writeTokenizer } from "../write-tokenizer.ts";

// A limit that no text here reaches: what is refused is refused for its shape or its time.
const SETUP = { checkpointDir: DEMO_MODEL_DIR, endTokenId: 16_381, vocabSize: 16_384, maxTokens: 10_000_000 };
const MB = 1_000_000;
const forever = new AbortController().signal;
const call = (inputs: readonly TokenizerInput[], account = "a") => ({
  account,
  inputs,
  tokensMax: 10_000_000,
  prefix: "",
  truncate: "none" as const,
  tier: "interactive" as const,
});

async function faultOf(work: Promise<unknown>) {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof TextFault)) throw new Error(`no TextFault: ${String(error)}`);
  return error.fault;
}

describe("tokenizer processes", () => {
  // `pool` has time enough on the busiest machine; what takes too long is `strict`'s.
  let pool: TokenizerPool;
  let strict: TokenizerPool;
  beforeAll(async () => {
    pool = await TokenizerPool.start(SETUP, { threads: 2, timeLimitMs: 30_000 });
    strict = await TokenizerPool.start(SETUP, { threads: 2, timeLimitMs: 400 });
  });
  afterAll(() => Promise.all([pool.close(), strict.close()]));

  it("give every text of a call its ids, in order, whatever slices it was cut into", async () => {
    const { texts, ids } = readDemoReference();
    const many = Array.from({ length: 1_000 }, (_, index) => index % texts.length);
    const long = "many words ".repeat(3_000);
    const inputs = [...many.map((index) => texts[index] ?? ""), long, Uint32Array.from(ids[3] ?? [])];
    const done = await pool.tokenize(call(inputs), forever);
    for (const [at, index] of many.entries()) expect([...(done.texts[at] ?? [])]).toEqual([...(ids[index] ?? [])]);
    expect(done.texts[1_000]?.length).toBeGreaterThan(6_000);
    expect(done.texts[1_001]).toEqual(ids[3]);
    expect(done.truncated).toEqual(inputs.map(() => false));
  });

  it.each([
    ["one letter", "a".repeat(MB)],
    ["spaces", " ".repeat(MB)],
    ["combining marks", "\u0301\u0316".repeat(MB / 2)],
    ["digits", "1".repeat(MB)],
  ])("refuse a megabyte of %s without trying", async (_, text) => {
    const before = pool.replacements;
    const fault = await faultOf(pool.tokenize(call(["fine", text]), forever));
    expect(fault).toMatchObject({ code: "text_too_complex", index: 1 });
    expect(pool.replacements).toBe(before);
  });

  it("end a process whose text takes too long, answering short ones meanwhile, and serve long texts again", async () => {
    const before = strict.replacements;
    const order: string[] = [];
    const slow = faultOf(strict.tokenize(call(["many words ".repeat(500_000)]), forever));
    const short = strict.tokenize(call(["short"]), forever).finally(() => order.push("short"));
    const fault = await slow.finally(() => order.push("slow"));
    await short;
    expect(order).toEqual(["short", "slow"]);
    expect(fault).toMatchObject({ code: "text_too_complex", index: 0 });
    expect(strict.replacements).toBe(before + 1);
    const done = await strict.tokenize(call(["many words ".repeat(1_600)]), forever);
    expect(done.texts).toHaveLength(1);
  });

  it("answer a short call while a call of two thousand texts is under way", async () => {
    let listDone = false;
    const list = pool
      .tokenize(call(Array.from({ length: 2_048 }, () => "a dozen words of text ".repeat(10))), forever)
      .then(() => (listDone = true));
    await pool.tokenize(call(["short"]), forever);
    expect(listDone).toBe(false);
    await list;
  });

  it("serve an account's short calls while another has hundreds of large ones waiting", async () => {
    const done = { flood: 0, short: 0 };
    const large = Array.from({ length: 200 }, () => "a dozen words of text ".repeat(4));
    const flood = Array.from({ length: 60 }, async () => {
      await pool.tokenize(call(large, "flooding"), new AbortController().signal);
      done.flood += 1;
    });
    for (; done.short < 10; done.short += 1) await pool.tokenize(call(["short"], "other"), forever);
    // Each waits for at most one slice of the flood on each process.
    expect(done.flood).toBeLessThan(30);
    await Promise.all(flood);
  });

  it("stop counting where a call is over its limit", async () => {
    const texts = Array.from({ length: 2_048 }, (_, index) => `x${index}`);
    const prefix = `Instruct: ${"q7 ".repeat(1_365)}\nQuery:`;
    const error = await pool.tokenize({ ...call(texts, "flooding"), prefix, tokensMax: 300_000 }, forever).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ fault: { code: "too_many_tokens" } });
    // All of them have more than five million.
    const [, counted] = /at least (\d+) tokens/.exec(String(error)) ?? [];
    expect(Number(counted)).toBeGreaterThan(300_000);
    expect(Number(counted)).toBeLessThan(330_000);
    expect(pool.waiting).toBe(0);
  });

  it("take no more work of an account than can be done in time, whatever that of others", async () => {
    const large = ["many words ".repeat(700_000)];
    const caller = new AbortController();
    // The process that has begun ends no sooner for it than at its time.
    const ends = Array.from({ length: 4 }, () =>
      strict.tokenize({ ...call(large, "flooding"), truncate: "end" }, caller.signal).then(
        () => "done",
        (error: unknown) => (error instanceof ApiError ? error.fault.code : "gone"),
      ),
    );
    // One runs and two wait, so that the last is one too many.
    expect(await ends[3]).toBe("overloaded");
    await expect(strict.tokenize(call(["short"], "other"), forever)).resolves.toBeDefined();
    caller.abort(new Error("gone"));
    expect(await Promise.all(ends)).not.toContain("done");
  });

  it("forget a call whose caller has gone", async () => {
    const caller = new AbortController();
    const gone = pool.tokenize(call(Array.from({ length: 500 }, () => "words ".repeat(500))), caller.signal);
    caller.abort(new Error("gone"));
    await expect(gone).rejects.toThrow("gone");
    expect(pool.waiting).toBe(0);
    await expect(pool.tokenize(call(["next"]), caller.signal)).rejects.toThrow("gone");
  });

  // Words letter by letter: ids that another tokenizer might send.
  const foreign = Uint32Array.from([71, 68, 75, 75, 78]);
  const own = Uint32Array.from(readDemoReference().ids[3] ?? []);
  it.each([
    ["all of one", [foreign], true],
    ["all of three", [foreign, foreign, foreign], true],
    ["one of three", [foreign, own, own], false],
    ["half of four", [foreign, foreign, own, own], true],
    ["one of four", [foreign, own, own, own], false],
  ])("refuse foreign token ids when they are %s, naming the cure", async (_, inputs, refused) => {
    const work = pool.tokenize(call(inputs), forever);
    if (!refused) {
      expect((await work).texts).toHaveLength(inputs.length);
      return;
    }
    const fault = await faultOf(work);
    expect(fault.code).toBe("invalid_token_id");
    expect(fault.message).toContain("check_embedding_ctx_length=False");
  });

  it("count only arrays that have ids, where each bad one has its fault", async () => {
    const inputs = [foreign, Uint32Array.from([99_999])];
    const fault = await faultOf(pool.tokenize({ ...call(inputs), onError: "per_item" }, forever));
    expect(fault).toMatchObject({ code: "invalid_token_id", index: null, facts: { foreign: 1, arrays: 1 } });
  });

  it("name the same cure for an id beyond the vocabulary", async () => {
    const fault = await faultOf(pool.tokenize(call([own, Uint32Array.from([99_999])]), forever));
    expect(fault).toMatchObject({ code: "invalid_token_id", index: 1, facts: { id: 99_999 } });
    expect(fault.message).toContain("check_embedding_ctx_length=False");
  });

  it("give the others' ids, and a fault in the place of each bad text, to a call that wants so", async () => {
    const { texts, ids } = readDemoReference();
    const bad = "a".repeat(MB);
    const long = "many words ".repeat(3_000);
    const inputs = [texts[1] ?? "", bad, long, Uint32Array.from([99_999]), own, bad, texts[2] ?? ""];
    const done = await pool.tokenize({ ...call(inputs), onError: "per_item" }, forever);
    expect(done.faults.map(({ index, code }) => [index, code])).toEqual([
      [1, "text_too_complex"],
      [3, "invalid_token_id"],
      [5, "text_too_complex"],
    ]);
    expect(done.texts.map((text, index) => (index === 2 ? text.length > 6_000 : [...text]))).toEqual([
      [...(ids[1] ?? [])],
      [],
      true,
      [],
      [...own],
      [],
      [...(ids[2] ?? [])],
    ]);
  });

  it("give up a call of which a third text takes too long, whatever it wants", async () => {
    const slow = "many words ".repeat(500_000);
    const wants = (count: number) => ({
      ...call(["fine", ...Array.from({ length: count }, () => slow)]),
      onError: "per_item" as const,
    });
    const { faults, texts } = await strict.tokenize(wants(2), forever);
    expect(faults.map(({ index, code }) => [index, code])).toEqual([
      [1, "text_too_complex"],
      [2, "text_too_complex"],
    ]);
    expect(texts[0]?.length).toBeGreaterThan(0);
    expect(await faultOf(strict.tokenize(wants(3), forever))).toMatchObject({ code: "text_too_complex" });
  });

  it("refuse a folder without a tokenizer in one sentence", async () => {
    const starting = TokenizerPool.start({ ...SETUP, checkpointDir: "/nowhere" }, { threads: 1, timeLimitMs: 100 });
    await expect(starting).rejects.toThrow(CheckpointError);
    await expect(starting).rejects.toThrow(/\/nowhere: tokenizer\.json is missing/);
  });
});

describe("a tokenizer that would hang the start", () => {
  const scratch = mkdtempSync(join(tmpdir(), "pool-"));
  afterAll(() => rmSync(scratch, { recursive: true }));
  const start = (definition: object, limits = {}) =>
    TokenizerPool.start(
      { ...SETUP, checkpointDir: writeTokenizer(scratch, definition) },
      { threads: 1, timeLimitMs: 100, ...limits },
    );

  it("is refused when its regular expression backtracks without end", async () => {
    const split = { type: "Split", pattern: { Regex: "^(([a-z ])+)+!$" }, behavior: "Isolated", invert: false };
    const starting = start({ ...demoTokenizer(), pre_tokenizer: split }, { startMsMax: 2_000 });
    await expect(starting).rejects.toThrow(CheckpointError);
    // A fast processor comes to the library's own limit before the time is up.
    await expect(starting).rejects.toThrow(
      /tokenizer\.json: cannot be used: (it did not load .* within 2 s|its process .* \(a pattern without end, or no memory\))$/,
    );
  });

  it("ends no more than one process when it fails on a text, and goes on serving", async () => {
    // The native library gives up on such a match by ending its process.
    const split = { type: "Split", pattern: { Regex: "^((q+)+)!$" }, behavior: "Isolated", invert: false };
    const bytes = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
    const steps = { type: "Sequence", pretokenizers: [split, bytes] };
    const pool = await start({ ...demoTokenizer(), pre_tokenizer: steps }, { timeLimitMs: 20_000 });
    const fault = await faultOf(pool.tokenize(call(["q".repeat(64)]), forever));
    expect(fault).toMatchObject({ code: "text_too_complex", index: 0 });
    expect(pool.replacements).toBe(1);
    expect((await pool.tokenize(call(["fine"]), forever)).texts).toHaveLength(1);
    await pool.close();
  });

  it.each([1e9, -1, 1.5, "7"])("is refused when it gives a token the id %s", async (id) => {
    const definition = demoTokenizer();
    const vocab = { ...definition.model, vocab: { ...Object(definition.model["vocab"]), "far away": id } };
    await expect(start({ ...definition, model: vocab })).rejects.toThrow(
      /gives "far away" the id .*; an integer from 0/,
    );
  });
});
