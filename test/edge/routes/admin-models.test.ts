// The operator sets prices and status of a model; every answer and charge from then on follows.
import { env } from "cloudflare:test";
import { describe, expect, test } from "vitest";
import { loadModelSettings } from "../../../edge/directory/model-settings.ts";
import { Api } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";

const api = new Api();
const put = (model: string, body: unknown) => api.admin(`/admin/models/${model}`, body, "PUT");

test("prices are shown by /v1/models and charged by the next call", async () => {
  const set = await put(MODEL, {
    price_nano_usd_per_million_tokens: 20_000_000,
    hit_price_nano_usd_per_million_tokens: 10_000_000,
    batch_price_nano_usd_per_million_tokens: 8_000_000,
    batch_hit_price_nano_usd_per_million_tokens: 1_000_000,
    minimum_charge_nano_usd: 500,
  });
  const pricing = {
    price_nano_usd_per_million_tokens: 20_000_000,
    hit_price_nano_usd_per_million_tokens: 10_000_000,
    batch_price_nano_usd_per_million_tokens: 8_000_000,
    batch_hit_price_nano_usd_per_million_tokens: 1_000_000,
    minimum_charge_nano_usd: 500,
  };
  expect(set).toMatchObject({ status: 200, body: { id: MODEL, operator_status: "live", pricing } });
  expect((await api.call(`/v1/models/${MODEL}`)).body).toMatchObject({ pricing });
  const { key } = await api.newAccount();
  const call = await api.call("/v1/embeddings", { key, body: { model: MODEL, input: "hello" } });
  expect(call.headers.get("x-cost-usd")).toBe("0.0000005");
});

test("a field that is not named stays as it is", async () => {
  await put(MODEL, { price_nano_usd_per_million_tokens: 9_000_000, minimum_charge_nano_usd: 0 });
  const { body } = await put(MODEL, { status: "coming_soon" });
  expect(body).toMatchObject({
    status: "coming_soon",
    operator_status: "coming_soon",
    pricing: { price_nano_usd_per_million_tokens: 9_000_000, batch_price_nano_usd_per_million_tokens: 8_000_000 },
  });
  expect((await put(MODEL, { status: "live" })).body).toMatchObject({ operator_status: "live" });
});

test("a model that is not offered yet is refused at once, and nothing is charged", async () => {
  await put(MODEL, { status: "coming_soon" });
  const { id, key } = await api.newAccount();
  const call = await api.call("/v1/embeddings", { key, body: { model: MODEL, input: "hello" } });
  expect(call).toMatchObject({ status: 503, body: { error: { code: "model_not_ready", param: "model" } } });
  await put(MODEL, { status: "live" });
  expect((await api.call("/v1/embeddings", { key, body: { model: MODEL, input: "hello" } })).status).toBe(200);
  expect(Number((await api.admin(`/admin/accounts/${id}`)).body["charged_nano_usd"])).toBeLessThanOrEqual(500);
});

test("the copy in KV serves isolates that start while the directory is down", async () => {
  await put(MODEL, { price_nano_usd_per_million_tokens: 7_000_000 });
  const down = {
    prepare: () => {
      throw new Error("down");
    },
  } as unknown as D1Database;
  const [settings] = await loadModelSettings({ directory: down, kv: env.EMBEDDING_CACHE });
  expect(settings).toMatchObject({ id: MODEL, prices: { priceNanoUsdPerMillion: 7_000_000 } });
});

describe("what is refused", () => {
  test("an unknown model, and a price that is no whole number of nano-USD in range", async () => {
    expect(await put("owner/none", { status: "live" })).toMatchObject({
      status: 404,
      body: { error: { code: "model_not_found" } },
    });
    for (const price of [-1, 0.5, "8", 2 ** 50]) {
      expect(await put(MODEL, { price_nano_usd_per_million_tokens: price })).toMatchObject({
        status: 400,
        body: { error: { param: "price_nano_usd_per_million_tokens" } },
      });
    }
    expect(await put(MODEL, { price: 1 })).toMatchObject({ status: 400, body: { error: { code: "unknown_field" } } });
  });

  test("whoever is not the operator", async () => {
    const { key } = await api.newAccount();
    expect((await api.call(`/admin/models/${MODEL}`, { method: "PUT", key, body: { status: "live" } })).status).toBe(
      401,
    );
  });
});
