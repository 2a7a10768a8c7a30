// What calls that run at once have of one computation is paid for once, by one that is charged.

import { beforeEach, expect, test } from "vitest";
import { Api } from "../support/api.ts";
import { Gate, MODEL, tokensOf } from "../support/fake-backends.ts";

const api = new Api();
/** Nano-USD a token. */
const [MISS, HIT] = [8, 4];

let account: Awaited<ReturnType<Api["newAccount"]>>;
let gate: Gate;
beforeEach(async () => {
  account = await api.newAccount();
  gate = new Gate();
  api.backend.behaviour = { kind: "waits", go: gate.opened };
});

const charged = async () => {
  await api.settled();
  return Number((await api.admin(`/admin/accounts/${account.id}`)).body["charged_nano_usd"]);
};

/** A call whose own texts have reached the backend; those that another call computes it waits for. */
async function running(path: string, body: object) {
  const client = new AbortController();
  const before = api.backend.signals.length;
  const status = api
    .open(path, { key: account.key, body: { model: MODEL, ...body }, signal: client.signal })
    .then(async (response) => {
      await response.body?.cancel();
      return response.status;
    });
  await expect.poll(() => api.backend.signals.length).toBe(before + 1);
  return { status, leave: () => client.abort() };
}

test("two calls pay for a miss and a hit", async () => {
  const first = await running("/v1/embeddings", { input: "both" });
  const second = await running("/v1/embeddings", { input: ["both", "own"] });
  gate.open();
  expect(await Promise.all([first.status, second.status])).toEqual([200, 200]);
  expect(await charged()).toBe(tokensOf("both") * (MISS + HIT) + tokensOf("own") * MISS);
});

test("a call beside one that leaves pays for the miss", async () => {
  const first = await running("/v1/embeddings", { input: "left" });
  const second = await running("/v1/embeddings", { input: ["left", "left", "own"] });
  first.leave();
  gate.open();
  expect(await Promise.all([first.status, second.status])).toEqual([499, 200]);
  expect(await charged()).toBe(tokensOf("left") * (MISS + HIT) + tokensOf("own") * MISS);
});

test("a pair that fails pays for none of its texts: the call that it shared one with pays for it later", async () => {
  api.backend.faulty.set("bad", { code: "context_length_exceeded", facts: {} });
  const slow = new Gate();
  api.backend.behaviour = { kind: "waits", go: slow.opened };
  const third = await running("/v1/embeddings", { input: "slow" });
  api.backend.behaviour = { kind: "waits", go: gate.opened };
  const first = await running("/v1/embeddings", { input: ["pair", "slow"] });
  const pairs = [
    ["pair", "bad"],
    ["good", "well"],
  ];
  const second = await running("/v1/similarity", { pairs, on_error: "per_item" });
  gate.open();
  expect(await second.status).toBe(200);
  slow.open();
  expect(await Promise.all([first.status, third.status])).toEqual([200, 200]);
  const misses = ["slow", "pair", "good", "well"].map(tokensOf).reduce((sum, tokens) => sum + tokens * MISS, 0);
  expect(await charged()).toBe(misses + tokensOf("slow") * HIT);
});

test("a pair that fails over a text which another call had failed on leaves nothing at the price of a hit", async () => {
  api.backend.faulty.set("wrong", { code: "context_length_exceeded", facts: {} });
  const slow = new Gate();
  api.backend.behaviour = { kind: "waits", go: slow.opened };
  const other = await running("/v1/embeddings", { input: ["wrong", "other"], on_error: "per_item" });
  api.backend.behaviour = { kind: "waits", go: gate.opened };
  const pairs = [
    ["unpaid", "wrong"],
    ["first", "second"],
  ];
  const call = await running("/v1/similarity", { pairs, on_error: "per_item" });
  gate.open();
  await expect.poll(() => api.backend.embeds.at(-1)?.texts).toContain("unpaid");
  slow.open();
  expect(await Promise.all([other.status, call.status])).toEqual([200, 200]);
  const later = await api.call("/v1/embeddings", { key: account.key, body: { model: MODEL, input: "unpaid" } });
  expect(later.headers.get("x-cache")).toBe("miss");
});
