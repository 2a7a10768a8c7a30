// One deployment, several models, each behind its own backends.
import { expect, it } from "vitest";
import { FakeBackend, MODEL, ManualClock, REVISION_1, REVISION_2 } from "../support/fake-backends.ts";
import { callOf, codeOf, poolOf, textsOf } from "../support/pool-fixture.ts";

const OTHER = "owner/other";

it("a call goes to its own model's backend, however busy that is and whatever the other one can do", async () => {
  const [one, other] = [new FakeBackend("http://one"), new FakeBackend("http://other")];
  other.model = OTHER;
  other.revision = REVISION_2;
  one.queueSeconds = 9;
  const pool = poolOf([one, other], new ManualClock());
  const nothing = (): undefined => undefined;
  expect((await pool.announced(MODEL, nothing))?.revision).toBe(REVISION_1);
  expect((await pool.announced(OTHER, nothing))?.revision).toBe(REVISION_2);
  await pool.embed(textsOf("a"), REVISION_1, callOf());
  await pool.embed({ ...textsOf("b"), model: OTHER }, REVISION_2, callOf());
  expect([one.embeds, other.embeds].map((calls) => calls.map(({ model, texts }) => [model, texts]))).toEqual([
    [[MODEL, ["a"]]],
    [[OTHER, ["b"]]],
  ]);
  // The other model's backend does not stand in for one that is gone.
  one.behaviour = { kind: "refuses connections" };
  expect(await codeOf(pool.embed(textsOf("c"), REVISION_1, callOf({ coldHoldMs: 0 })))).toBe("model_not_ready");
  expect(other.embeds).toHaveLength(1);
});
