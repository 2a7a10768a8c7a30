// One delivery attempt for every kind of answer, and signatures that OpenAI's SDK accepts.
import OpenAI from "openai";
import { expect, test } from "vitest";
import { delayAfter, TRIES_MAX } from "../../../edge/notices/backoff.ts";
import { newWebhookSecret, signedHeaders } from "../../../edge/notices/signature.ts";
import type { Send } from "../../../edge/notices/sinks.ts";
import { emailSink, webhookSink } from "../../../edge/notices/sinks.ts";

const NOTICE = { id: "evt_1", type: "alert.triggered", body: '{"type":"alert.triggered"}', summary: "It happened." };
const NOW = Date.now();

/** A receiver that answers `answer` and records what it got. */
function receiver(answer: () => Response | Promise<Response>) {
  const got: { url: string; init: RequestInit }[] = [];
  const send: Send = (url, init) => {
    got.push({ url, init });
    return Promise.resolve().then(answer);
  };
  return { got, send };
}

const hook = (send: Send, url = "https://example.com/hook") =>
  webhookSink({ url, secrets: [newWebhookSecret()] }, send, { allowLoopback: false, ownHosts: [] }).deliver(
    NOTICE,
    NOW,
  );

test("a receiver that verifies Standard Webhooks accepts what we send and refuses any change", async () => {
  const secret = newWebhookSecret();
  const headers = { ...(await signedHeaders([secret], NOTICE.id, NOW, NOTICE.body)) };
  const client = new OpenAI({ apiKey: "x", dangerouslyAllowBrowser: true });
  await client.webhooks.verifySignature(NOTICE.body, headers, secret);
  await expect(client.webhooks.verifySignature(`${NOTICE.body} `, headers, secret)).rejects.toThrow();
  await expect(client.webhooks.verifySignature(NOTICE.body, headers, newWebhookSecret())).rejects.toThrow();
  const replayed = { ...headers, "webhook-id": "evt_2" };
  await expect(client.webhooks.verifySignature(NOTICE.body, replayed, secret)).rejects.toThrow();
});

test("a secret is whsec_ and 32 random bytes", () => {
  const [one, two] = [newWebhookSecret(), newWebhookSecret()];
  expect(one).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  expect(one).not.toBe(two);
});

test.each([
  [200, "delivered", "HTTP 200"],
  [204, "delivered", "HTTP 204"],
  [302, "failed", "HTTP 302: redirects are not followed"],
  [410, "gone", "HTTP 410"],
  [404, "failed", "HTTP 404"],
  [500, "failed", "HTTP 500"],
])("an answer of %s is %s", async (status, kind, detail) => {
  const { send, got } = receiver(() => new Response(null, { status, headers: { location: "https://10.0.0.1/" } }));
  expect(await hook(send)).toEqual({ kind, detail });
  expect(got).toHaveLength(1);
  expect(got[0]?.init).toMatchObject({ method: "POST", redirect: "manual", body: NOTICE.body });
});

test("an attempt fails after ten seconds without an answer, and at once without a connection", async () => {
  const timeout = receiver(() => {
    throw new DOMException("timed out", "TimeoutError");
  });
  expect(await hook(timeout.send)).toEqual({ kind: "failed", detail: "no answer within 10 s" });
  expect(timeout.got[0]?.init.signal).toBeInstanceOf(AbortSignal);
  const broken = receiver(() => {
    throw new TypeError("connect ECONNREFUSED 10.1.2.3:443");
  });
  const outcome = await hook(broken.send);
  expect(outcome).toEqual({ kind: "failed", detail: "no connection" });
});

test("an address that is not allowed any more gets no request", async () => {
  const { send, got } = receiver(() => new Response());
  expect(await hook(send, "http://127.0.0.1:1/")).toMatchObject({ kind: "gone" });
  expect(got).toHaveLength(0);
});

test("e-mail goes through the configured API with its key; without configuration none is sent", async () => {
  const { send, got } = receiver(() => new Response());
  const config = { apiUrl: "https://mail.example.com/emails", apiKey: "mail-key", from: "alerts@example.com" };
  expect(await emailSink(config, "ada@example.com", send)?.deliver(NOTICE, NOW)).toMatchObject({ kind: "delivered" });
  expect(got[0]).toMatchObject({ url: config.apiUrl, init: { headers: { authorization: "Bearer mail-key" } } });
  expect(JSON.parse(got[0]?.init.body as string)).toEqual({
    from: "alerts@example.com",
    to: ["ada@example.com"],
    subject: NOTICE.summary,
    text: NOTICE.summary,
  });
  expect(emailSink(undefined, "ada@example.com", send)).toBeUndefined();
  expect(emailSink(config, undefined, send)).toBeUndefined();
});

test("retries wait longer each time, then end", () => {
  const delays = Array.from({ length: TRIES_MAX }, (_, tries) => delayAfter(tries + 1));
  expect(delays.at(-1)).toBeUndefined();
  const waits = delays.slice(0, -1).map(Number);
  expect(waits).toEqual(waits.toSorted((a, b) => a - b));
  expect(waits.length).toBe(7);
});
