// What a key was last refused for, where its owner can mend it: beside the key, with its name and the time.
import { expect, test } from "vitest";
import type { KeyTerms } from "../../../edge/keys/key-acts.ts";
import { NANO_USD_PER_USD, nanoUsd } from "../../../shared/money.ts";
import { ALL_SCOPES, openAccount, stubOf } from "../account/support.ts";
import { Api } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";

const api = new Api();
const body = { model: MODEL, input: "refused" };

/** An account whose own key looks after another, made with `terms`. */
async function keyWith(terms: Partial<KeyTerms>, credit: number = NANO_USD_PER_USD) {
  const { id: accountId, created: owner } = await openAccount(credit);
  const made = await stubOf(accountId).createKey(accountId, { ...ALL_SCOPES, name: "Search", ...terms }, "test");
  if (typeof made !== "object" || !("key" in made)) throw new Error("no key");
  const listed = async () => {
    const { body: list } = await api.call("/v1/keys", { key: owner.key });
    return (list["data"] as readonly Record<string, unknown>[]).find(({ id }) => id === made.id);
  };
  return { accountId, owner, made, listed };
}

test.each<[string, Partial<KeyTerms>, string, object | undefined]>([
  ["key_cap_reached", { capNanoUsd: nanoUsd(1) }, "/v1/embeddings", body],
  ["insufficient_scope", { scopes: ["rerank"] }, "/v1/embeddings", body],
  ["insufficient_scope", { scopes: ["embeddings"] }, "/v1/usage", undefined],
  ["model_not_allowed", { models: ["owner/other"] }, "/v1/embeddings", body],
  ["address_not_allowed", { ipAllow: ["10.0.0.0/8"] }, "/v1/embeddings", body],
  ["expired_api_key", { expiresAtMs: Date.UTC(2026, 0) }, "/v1/embeddings", body],
])("%s of a key with %j is seen by its owner", async (code, terms, path, sent) => {
  const { made, listed } = await keyWith(terms);
  expect(await listed()).toMatchObject({ name: "Search", last_refusal: null });
  const before = Math.floor(Date.now() / 1000);
  const { status, body: answer } = await api.call(path, { key: made.key, body: sent });
  expect([status >= 400, answer["error"]]).toMatchObject([true, { code }]);
  await expect.poll(async () => (await listed())?.["last_refusal"]).toMatchObject({ code });
  const seen = (await listed()) as { readonly last_refusal: { readonly at: number } } | undefined;
  expect(seen?.last_refusal.at).toBeGreaterThanOrEqual(before);
});

test("the account's credit and the limit of calls are named too, the last refusal alone is kept", async () => {
  const poor = await keyWith({}, 1);
  await api.call("/v1/embeddings", { key: poor.made.key, body });
  await expect.poll(async () => (await poor.listed())?.["last_refusal"]).toMatchObject({ code: "insufficient_credit" });

  const limited = await keyWith({ requestsPerMinute: 1, scopes: ["embeddings"] });
  await api.call("/v1/usage", { key: limited.made.key });
  await expect
    .poll(async () => (await limited.listed())?.["last_refusal"])
    .toMatchObject({ code: "insufficient_scope" });
  for (let times = 0; times < 3; times += 1) await api.call("/v1/embeddings", { key: limited.made.key, body });
  await expect
    .poll(async () => (await limited.listed())?.["last_refusal"])
    .toMatchObject({ code: "rate_limit_exceeded" });
});

test("what the key's owner cannot mend leaves nothing, and a revoked key takes its refusal along", async () => {
  const { owner, made, listed } = await keyWith({ capNanoUsd: nanoUsd(500) });
  expect((await api.call("/v1/embeddings", { key: made.key, body })).status).toBe(200);
  expect((await api.call("/v1/embeddings", { key: made.key, body: { ...body, input: "" } })).status).toBe(400);
  expect((await api.call("/v1/embeddings", { key: made.key, body: { ...body, model: "nothing" } })).status).toBe(404);
  expect(await listed()).toMatchObject({ last_refusal: null });
  await api.call("/v1/embeddings", { key: made.key, body: { ...body, input: "x".repeat(4000) } });
  await expect.poll(async () => (await listed())?.["last_refusal"]).toMatchObject({ code: "key_cap_reached" });
  expect((await api.call(`/v1/keys/${made.id}`, { key: owner.key })).body).toMatchObject({
    last_refusal: { code: "key_cap_reached" },
  });
  expect((await api.call(`/v1/keys/${made.id}`, { key: owner.key, method: "DELETE" })).status).toBe(200);
  expect(await listed()).toBeUndefined();
});
