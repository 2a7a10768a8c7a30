// What an owner reads is what this isolate charged, the call before included.

import { expect, test } from "vitest";
import { Api } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";

const api = new Api();
const FIVE_USD = 5_000_000_000;

test("a charge is in the account, its usage and its transactions at once, with whichever key one looks", async () => {
  const account = await api.newAccount();
  const reader = String((await api.admin(`/admin/accounts/${account.id}/keys`, {})).body["key"]);
  const answer = await api.call("/v1/embeddings", { key: account.key, body: { model: MODEL, input: "some text" } });
  const cost = Math.round(Number(answer.headers.get("x-cost-usd")) * 1e9);
  expect(cost).toBe(10 * 8);
  const books = await api.call("/v1/account", { key: reader });
  expect(books.body).toMatchObject({ balance_nano_usd: FIVE_USD - cost });
  const usage = await api.call("/v1/usage?bucket_width=1d", { key: reader });
  const results = (usage.body["data"] as { results: object[] }[]).flatMap((bucket) => bucket.results);
  expect(results).toMatchObject([{ requests: 1, input_tokens: 10, cost_nano_usd: cost }]);
  const ledger = await api.call("/v1/transactions", { key: reader });
  expect((ledger.body["data"] as object[])[0]).toMatchObject({ kind: "charge", amount_nano_usd: -cost });
});

test("the operator's books say what was lost at most", async () => {
  const { id } = await api.newAccount();
  expect((await api.admin(`/admin/accounts/${id}`)).body).toMatchObject({
    lost_bound_nano_usd: 0,
    lost_bound_usd: "0",
  });
});
