// How much work a call of pairs counts as where the pool has to choose.
import { expect, it } from "vitest";
import { FakeBackend, Gate, ManualClock, REVISION_1 } from "../support/fake-backends.ts";
import { callOf, readyPool, textsOf } from "../support/pool-fixture.ts";

it("a pair counts with the template that the model's backends announce", async () => {
  const reranker = { instruction: null, templateTokens: 60, queryTokensMax: 100 };
  const [free, busy] = [new FakeBackend("http://free"), new FakeBackend("http://busy")];
  for (const backend of [free, busy]) Object.assign(backend, { reranker, tokensPerSecond: 10 });
  busy.queueSeconds = 1;
  const pool = await readyPool([free, busy], new ManualClock());
  const gate = new Gate();
  for (const backend of [free, busy]) backend.behaviour = { kind: "waits", go: gate.opened };
  const scores = ["x", "y"].map((document) =>
    pool.embed(
      { ...textsOf(document), truncate: "end", query: { text: "q", instruction: null, takes: reranker } },
      REVISION_1,
      callOf(),
    ),
  );
  // The first would be 6 s of work for the free one, which is more than the busy one has.
  await expect.poll(() => free.signals.length + busy.signals.length).toBe(2);
  expect([free.signals.length, busy.signals.length]).toEqual([1, 1]);
  gate.open();
  await Promise.all(scores);
});
