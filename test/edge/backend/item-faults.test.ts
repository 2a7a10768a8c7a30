// Faults in the places of single texts: which count against a backend, and which answers with them are none.

import { describe, expect, it } from "vitest";
import { embed } from "../../../edge/backend/client.ts";
import { encodeFrame } from "../../../shared/frame.ts";
import type { EmbedRequest } from "../../../shared/wire.ts";
import { FakeBackend, ManualClock, REVISION_1 } from "../support/fake-backends.ts";
import { callOf, readyPool, textsOf } from "../support/pool-fixture.ts";

describe("the breaker", () => {
  it.each([
    ["internal_error", [3, 2]],
    ["context_length_exceeded", [5, 0]],
  ] as const)("counts texts that end an engine, and no refusal of a text: %s", async (code, calls) => {
    const [a, b] = [new FakeBackend("http://a"), new FakeBackend("http://b")];
    b.queueSeconds = 50;
    a.faulty.set("bad", { code, facts: {} });
    const pool = await readyPool([a, b], new ManualClock());
    const texts = { ...textsOf("good", "bad"), onError: "per_item" as const };
    for (let call = 0; call < 5; call += 1) await pool.embed(texts, REVISION_1, callOf());
    expect([a.embeds.length, b.embeds.length]).toEqual(calls);
  });
});

describe("an answer with faults is garbage", () => {
  const fault = (index: number) => ({ code: "empty_input", message: "", index, facts: {}, retryAfterS: null });
  const answerOf = (faults: readonly object[], tokens: readonly number[], rows: number) => {
    const header = {
      version: 1,
      revision: REVISION_1,
      dimensions: 2,
      tokens,
      truncated: tokens.map(() => false),
      faults,
      load: { queueSeconds: 0 },
      timings: { tokenizeMs: 0, queueMs: 0, runMs: 0 },
    };
    return () => Promise.resolve(new Response(encodeFrame(JSON.stringify(header), new Uint8Array(rows * 4))));
  };
  const send = async (answer: ReturnType<typeof answerOf>, onError: EmbedRequest["onError"]) => {
    const { itemOf: _, coldHoldMs: __, waitUntil: ___, ...call } = callOf();
    const request: EmbedRequest = {
      version: 1,
      model: "m",
      revision: null,
      account: "a",
      tier: "interactive",
      truncate: "none",
      prefix: "",
      texts: ["a", "b", "c"],
      onError,
    };
    return (await embed({ ...call, fetch: answer, origin: "http://a", secret: "s" }, request, new Uint32Array())).kind;
  };

  it("unless it fits the call and its own counts", async () => {
    expect(await send(answerOf([fault(1)], [2, 0, 2], 2), "per_item")).toBe("answer");
  });

  it.each([
    ["the call did not ask for them", [fault(1)], [2, 0, 2], 2, "fail"],
    ["a text at fault has tokens", [fault(1)], [2, 1, 2], 2, "per_item"],
    ["a text has two", [fault(1), fault(1)], [2, 0, 2], 1, "per_item"],
    ["they are not in order", [fault(2), fault(1)], [2, 0, 0], 1, "per_item"],
    ["there is no such text", [fault(3)], [2, 2, 2], 2, "per_item"],
    ["there is a vector for each text all the same", [fault(1)], [2, 0, 2], 3, "per_item"],
  ] as const)("where %s", async (_, faults, tokens, rows, onError) => {
    expect(await send(answerOf(faults, tokens, rows), onError)).toBe("garbage");
  });
});
