// /v1/webhooks as its owner calls it: an address is judged wherever it is given, a secret is shown when it is made.

import { expect, test } from "vitest";
import { Api } from "../support/api.ts";

const api = new Api({ ADMIN_HOST: "api.test" });

test("an address is refused where it is made and where it is changed, our own hosts too", async () => {
  const { key } = await api.newAccount();
  const made = await api.call("/v1/webhooks", { key, body: { url: "https://example.com/a" } });
  const path = `/v1/webhooks/${String(made.body["id"])}`;
  for (const url of [
    "https://api.test/v1/keys",
    "https://backend.test/embed",
    "https://10.0.0.1/",
    "https://a.svc/",
    "x",
  ]) {
    const refused = { status: 400, body: { error: { param: "url" } } };
    expect(await api.call("/v1/webhooks", { key, body: { url } })).toMatchObject(refused);
    expect(await api.call(path, { key, method: "PATCH", body: { url } })).toMatchObject(refused);
  }
});

test("events are changed, null means all of them, and an empty list is refused", async () => {
  const { key } = await api.newAccount();
  const { body } = await api.call("/v1/webhooks", { key, body: { url: "https://example.com/a" } });
  const patch = (change: object) =>
    api.call(`/v1/webhooks/${String(body["id"])}`, { key, method: "PATCH", body: change });
  expect(await patch({ events: ["batch.failed"] })).toMatchObject({ status: 200, body: { events: ["batch.failed"] } });
  expect(await patch({})).toMatchObject({ status: 200, body: { events: ["batch.failed"] } });
  expect(await patch({ events: null })).toMatchObject({ status: 200, body: { events: null } });
  expect(await patch({ events: [] })).toMatchObject({ status: 400, body: { error: { param: "events" } } });
  expect(await patch({ url: null })).toMatchObject({ status: 400, body: { error: { param: "url" } } });
});

test("a rotated secret is shown once, with the end of the old one's overlap", async () => {
  const { key } = await api.newAccount();
  const made = (await api.call("/v1/webhooks", { key, body: { url: "https://example.com/a" } })).body;
  const path = `/v1/webhooks/${String(made["id"])}`;
  const { status, body } = await api.call(`${path}/rotate`, { key, body: {} });
  expect(status).toBe(200);
  expect(body["secret"]).toMatch(/^whsec_/);
  expect(body["secret"]).not.toBe(made["secret"]);
  expect(Number(body["previous_secret_until"])).toBeGreaterThan(Date.now() / 1000 + 86_000);
  expect((await api.call(path, { key })).text).not.toContain("whsec_");
  const now = await api.call(`${path}/rotate`, { key, body: { overlap_s: 0 } });
  expect(Number(now.body["previous_secret_until"])).toBeLessThanOrEqual(Date.now() / 1000);
});
