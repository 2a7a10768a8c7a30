// What was said to somebody who showed who they are is stored by nobody on the way; nothing is taken for another type.

import { beforeAll, expect, test } from "vitest";
import { Api } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";

const api = new Api();
let account: { readonly id: string; readonly key: string };
beforeAll(async () => {
  account = await api.newAccount();
});

test.each([
  ["POST", "/v1/keys", {}],
  ["GET", "/v1/keys", undefined],
  ["GET", "/v1/key", undefined],
  ["GET", "/v1/account", undefined],
  ["GET", "/v1/account/export", undefined],
  ["GET", "/v1/transactions", undefined],
  ["GET", "/v1/usage", undefined],
  ["GET", "/v1/usage?format=csv", undefined],
  ["POST", "/v1/webhooks", { url: "https://example.com/hook" }],
  ["POST", "/v1/alerts", { kind: "monthly_spend", threshold_usd: 1 }],
  ["GET", "/v1/files", undefined],
  ["GET", "/v1/batches", undefined],
  ["POST", "/v1/embeddings", { model: MODEL, input: "a" }],
  ["POST", "/v1/tokenize", { model: MODEL, input: "a" }],
])("%s %s is stored by nobody", async (method, path, body) => {
  const { status, headers } = await api.call(path, {
    method,
    key: account.key,
    ...(body === undefined ? {} : { body }),
  });
  expect(status).toBeLessThan(300);
  expect(headers.get("cache-control")).toBe("no-store");
  expect(headers.get("x-content-type-options")).toBe("nosniff");
});

test("nor is what the operator or a browser that signs in is told", async () => {
  const { headers } = await api.admin(`/admin/accounts/${account.id}`);
  expect(headers.get("cache-control")).toBe("no-store");
  const form = { origin: "https://api.test", "content-type": "application/x-www-form-urlencoded" };
  const signedIn = await api.call("/dashboard/sign-in", { method: "POST", headers: form, body: `key=${account.key}` });
  expect(signedIn.headers.get("cache-control")).toBe("no-store");
});

test("what is public may be stored, and says what type it is", async () => {
  for (const path of ["/v1/models", "/v1/openapi.json", "/models", "/health"]) {
    const { headers } = await api.call(path);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("cache-control")).not.toBe("no-store");
  }
});
