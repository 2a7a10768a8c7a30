import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { CheckpointError } from "../../../gpu-backend/checkpoint/checkpoint-error.ts";
import type { TokenizerInput } from "../../../gpu-backend/tokenizer/messages.ts";
import { TokenizerPool } from "../../../gpu-backend/tokenizer/pool.ts";
import { TextFault } from "../../../gpu-backend/tokenizer/text-fault.ts";
import { DEMO_MODEL_DIR, readDemoReference } from "../engine/demo-reference.ts";

// A limit that no text here reaches: what is refused is refused for its shape or its time.
const SETUP = { checkpointDir: DEMO_MODEL_DIR, endTokenId: 16_381, vocabSize: 16_384, maxTokens: 10_000_000 };
const MB = 1_000_000;
const forever = new AbortController().signal;
const call = (inputs: readonly TokenizerInput[]) => ({
  inputs,
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

describe("tokenizer threads", () => {
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
  ])("refuse a megabyte of %s at their time limit and answer a short text meanwhile", async (_, text) => {
    const began = performance.now();
    const order: string[] = [];
    const slow = faultOf(strict.tokenize(call(["fine", text]), forever)).finally(() => order.push("slow"));
    const short = strict.tokenize(call(["short"]), forever).finally(() => order.push("short"));
    const [fault] = await Promise.all([slow, short]);
    expect(fault).toMatchObject({ code: "text_too_complex", index: 1 });
    expect(order).toEqual(["short", "slow"]);
    // 400 ms and what a busy machine adds; without the limit it is 16 s and more on a quiet one.
    expect(performance.now() - began).toBeLessThan(8_000);
  });

  it("end a thread whose text takes too long, and serve long texts again with a new one", async () => {
    const before = strict.replacements;
    const fault = await faultOf(strict.tokenize(call(["many words ".repeat(500_000)]), forever));
    expect(fault).toMatchObject({ code: "text_too_complex", index: 0 });
    expect(strict.replacements).toBe(before + 1);
    const done = await strict.tokenize(call(["many words ".repeat(1_600)]), forever);
    expect(done.texts).toHaveLength(1);
  });

  it("answer a short call while a call of two thousand texts is under way", async () => {
    let listDone = false;
    const list = pool
      .tokenize(call(Array.from({ length: 2_048 }, () => "a dozen words of text ".repeat(20))), forever)
      .then(() => (listDone = true));
    await pool.tokenize(call(["short"]), forever);
    expect(listDone).toBe(false);
    await list;
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

  it("name the same cure for an id beyond the vocabulary", async () => {
    const fault = await faultOf(pool.tokenize(call([own, Uint32Array.from([99_999])]), forever));
    expect(fault).toMatchObject({ code: "invalid_token_id", index: 1, facts: { id: 99_999 } });
    expect(fault.message).toContain("check_embedding_ctx_length=False");
  });

  it("refuse a folder without a tokenizer in one sentence", async () => {
    const starting = TokenizerPool.start({ ...SETUP, checkpointDir: "/nowhere" }, { threads: 1, timeLimitMs: 100 });
    await expect(starting).rejects.toThrow(CheckpointError);
    await expect(starting).rejects.toThrow(/\/nowhere\/tokenizer\.json: cannot be read/);
  });
});
