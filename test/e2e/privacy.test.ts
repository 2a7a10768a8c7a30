// No text and no key is found anywhere it should not be: traffic with needles in everything a caller may send, calls
// that fail included, then a search of every log line, every file under the data folder, every metric, every answer, and
// all that a collector of traces and Stripe were sent.
import { createHmac } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { decodeBase62 } from "../../shared/base62.ts";
import type { DevServer } from "../../scripts/dev-server/dev-server.ts";
import { DataFolder } from "../../scripts/dev-server/data-folder.ts";
import { call, removeFolder, startTestServer, temporaryFolder } from "../support/dev-server.ts";
import type { Answer } from "../support/dev-server.ts";
import { filesBelow, findNeedle } from "../support/needles.ts";
import { OutsideServer } from "../support/outside-server.ts";

const KEY_BYTES = 38;
const ACCOUNT_ID_BYTES = 10;
const SECRET_BYTES = 20;
/** What `npm start` keeps for itself, readable by its owner alone (docs/storage.md): keys stand there by design. */
const KEPT_SECRETS = /^(?:secrets|dev-account|dev)\.json$/;
const FAILED = /^(?:4|5)/;

const dataDir = temporaryFolder();
const logs: string[] = [];
const errors: string[] = [];
const texts: string[] = [];
const values: string[] = [];
const keys: string[] = [];
/** Signing secrets of webhooks, and the cookies of sessions. */
const secrets: string[] = [];
/** What the deployment shows to Stripe, and Stripe to it. */
const STRIPE = { secret: `sk_test_${crypto.randomUUID()}`, webhook: `whsec_${crypto.randomUUID()}` };
let server: DevServer;
let outside: OutsideServer;
let key: string;

/** In every text, so that a place without it need not be searched for each of them. */
const MARK = `needle${crypto.randomUUID().replaceAll("-", "")}`;

/** A text that stands nowhere else; what it is for is a part of it, so that a finding says what leaked. */
function needle(what: string): string {
  const text = `${MARK}${what.replaceAll(" ", "")}`;
  texts.push(text);
  return text;
}

/** A value of a field that is no text: a message names it, cut to 40 characters, and it goes nowhere else. */
function named(what: string): string {
  const text = `named${crypto.randomUUID().replaceAll("-", "")}${what}`;
  values.push(text);
  return text;
}

async function ask(path: string, body?: unknown, headers: Record<string, string> = {}, by = key): Promise<Answer> {
  const answer = await call(server.url, by, path, body, headers);
  if (FAILED.test(String(answer.status))) errors.push(JSON.stringify([...answer.headers, answer.body]));
  return answer;
}

async function newKey(fields: object): Promise<{ id: string; key: string }> {
  const { body } = await ask("/v1/keys", fields, {}, server.apiKey);
  keys.push(String(body["key"]));
  return { id: String(body["id"]), key: String(body["key"]) };
}

async function goodTraffic(): Promise<void> {
  const { model } = server;
  const input = needle("eager");
  // Three times: the cache's policy writes to KV what it has seen before.
  for (let time = 0; time < 3; time += 1) await ask("/v1/embeddings", { model, input });
  const answers = [
    await ask("/v1/embeddings", { model, input: [needle("list"), "a"], instruction: needle("instruction") }),
    await ask("/v1/embeddings", { model, input: [[needle("left"), needle("right")]], user: needle("user") }),
    await ask("/v1/embeddings", { model, input: needle("replay") }, { "idempotency-key": "once" }),
    await ask(
      "/v1/embeddings",
      { model, input: needle("uncached"), metadata: { a: needle("metadata") } },
      { "cache-control": "no-store" },
    ),
    await ask("/v1/similarity", { model, source: needle("source"), targets: [needle("target")] }),
    await ask("/v1/rerank", { model, query: needle("query"), documents: [needle("document"), "b"] }),
    await ask("/v1/tokenize", { model, input: needle("tokenize") }),
    await ask("/v1/embeddings", { model, input: needle("batch tier") }, { "x-tier": "batch" }),
  ];
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
}

async function failingTraffic(): Promise<void> {
  const { model } = server;
  const statuses: number[] = [];
  const fails = async (body: unknown, headers: Record<string, string> = {}, by = key, path = "/v1/embeddings") => {
    statuses.push((await ask(path, body, headers, by)).status);
  };
  await fails({ model, input: [needle("beside empty"), ""] });
  await fails({ model, input: `${needle("too long")} `.repeat(4000) });
  await fails({ model, input: { text: needle("object") } });
  await fails({ model, input: [needle("mixed"), 1] });
  await fails({ model: named("model"), input: needle("no model") });
  await fails({ model, input: needle("cost") }, { "x-max-cost": "0" });
  await fails({ model, input: "a", truncate: named("value") });
  await fails({ model, input: "a", instruction: [needle("instruction list")] });
  await fails({ model, input: "a" }, { "x-tier": named("tier") });
  await fails({ model, query: needle("query alone") }, {}, key, "/v1/rerank");
  await fails({ model, input: needle("other body") }, { "idempotency-key": "once" });
  await fails(needle("body"));
  await fails({ model, input: needle("wrong key") }, {}, needle("bearer"));
  await fails({ model, input: needle("wrong prefix") }, {}, `gr-${needle("bearer2")}`);
  await fails(undefined, {}, key, `/v1/${needle("path")}`);
  await fails(undefined, {}, key, `/account?key=${needle("query key")}`);
  await fails(undefined, {}, key, `/v1/usage?bucket_width=${named("parameter")}`);
  await fails({ model, input: needle("suspended key") }, {}, keys.at(-1));
  expect(statuses.filter((status) => status < 400 || status >= 500)).toEqual([]);
}

/** A file of lines, one of them wrong; the batch over it; both of its outputs, read. */
async function fileTraffic(): Promise<void> {
  const line = (id: string, body: object) =>
    JSON.stringify({ custom_id: id, method: "POST", url: "/v1/embeddings", body: { model: server.model, ...body } });
  const lines = [
    line("good", { input: needle("file line") }),
    line("bad", { input: `${needle("long line")} `.repeat(4000) }),
  ];
  const form = new FormData();
  form.set("purpose", "batch");
  form.set("file", new Blob([lines.join("\n")]), "in.jsonl");
  const uploaded = await fetch(`${server.url}/v1/files`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}` },
    body: form,
  });
  expect(uploaded.status).toBe(200);
  const { id } = (await uploaded.json()) as { id: string };
  const made = await ask("/v1/batches", { input_file_id: id, endpoint: "/v1/embeddings", completion_window: "24h" });
  const path = `/v1/batches/${String(made.body["id"])}`;
  await vi.waitUntil(async () => (await ask(path)).body["status"] === "completed", { timeout: 30_000, interval: 50 });
  const { body } = await ask(path);
  for (const name of ["output_file_id", "error_file_id"]) {
    const content = await fetch(`${server.url}/v1/files/${String(body[name])}/content`, {
      headers: { authorization: `Bearer ${key}` },
    });
    expect(content.status).toBe(200);
    errors.push(await content.text());
  }
}

/** What an owner does with secrets: each is shown once, kept sealed or hashed, and told to nobody else. */
async function ownerTraffic(): Promise<void> {
  const once = { "idempotency-key": "once" };
  const owner = (path: string, body: object) => ask(path, body, once, server.apiKey);
  const made = await owner("/v1/keys", { name: "made once" });
  const hook = await owner("/v1/webhooks", { url: "https://hooks.example.com/" });
  const rotated = await owner(`/v1/webhooks/${String(hook.body["id"])}/rotate`, {});
  keys.push(String(made.body["key"]));
  secrets.push(String(hook.body["secret"]), String(rotated.body["secret"]));
  const form = { origin: server.url, "content-type": "application/x-www-form-urlencoded" };
  const post = (path: string, headers: Record<string, string>, body: string) =>
    fetch(`${server.url}${path}`, { method: "POST", headers, body, redirect: "manual" });
  const signedIn = await post("/dashboard/sign-in", form, `key=${encodeURIComponent(key)}`);
  const [cookie = ""] = signedIn.headers.getSetCookie().map((set) => set.split(";")[0] ?? "");
  secrets.push(cookie.slice(cookie.indexOf("=") + 1));
  const read = await fetch(`${server.url}/dashboard/api/v1/key`, { headers: { cookie } });
  expect([made.status, hook.status, rotated.status, signedIn.status, read.status]).toEqual([201, 201, 200, 303, 200]);
  await post("/dashboard/sign-out", { ...form, cookie }, "");
  const after = await fetch(`${server.url}/dashboard/api/v1/key`, { headers: { cookie } });
  expect(after.status).toBe(401);
  errors.push(await after.text());
}

/** Pages to pay on, automatic top-ups, and events: in order, refused, forged, of a shape that is not known. */
async function stripeTraffic(): Promise<void> {
  const pay = (amount: unknown, once: string) =>
    ask("/v1/top-ups", { amount_usd: amount }, { "idempotency-key": once }, server.apiKey);
  const asked = [await pay(20, needle("payonce")), await pay(30, needle("payagain")), await pay(named("usd"), "a")];
  const payment = {
    id: "pi_1",
    status: "succeeded",
    currency: "usd",
    amount_received: 2000,
    metadata: { account_id: server.accountId, note: needle("paymentnote") },
    receipt_email: needle("email"),
    description: needle("description"),
  };
  outside.payments.set("pi_1", payment);
  const tell = async (type: string, object: object, secret = STRIPE.webhook) => {
    const body = JSON.stringify({ id: "evt_1", type, data: { object } });
    const at = Math.floor(Date.now() / 1000);
    const mac = createHmac("sha256", secret).update(`${at}.${body}`).digest("hex");
    const headers = { "stripe-signature": `t=${at},v1=${mac}` };
    const answer = await fetch(`${server.url}/stripe/webhook`, { method: "POST", headers, body });
    errors.push(await answer.text());
    return answer.status;
  };
  const told = [
    await tell("payment_intent.succeeded", payment),
    await tell("payment_intent.succeeded", { ...payment, amount_received: needle("cents") }),
    await tell("payment_intent.succeeded", payment, needle("forged")),
    await tell("refund.created", {
      id: "re_1",
      amount: 100,
      currency: "usd",
      payment_intent: "pi_1",
      reason: needle("why"),
    }),
    await tell("charge.dispute.closed", { id: "dp_1", status: needle("status"), payment_intent: "pi_1" }),
    await tell(needle("kind"), { text: needle("event") }),
  ];
  expect([...asked.map(({ status }) => status), ...told]).toEqual([201, 201, 400, 200, 400, 400, 200, 400, 200]);
}

/** What can be read of metrics and books, by customers and by the operator. */
async function figures(): Promise<string> {
  const secret = new DataFolder(dataDir).secrets().BACKEND_SECRET;
  const read = async (url: string, by: string) =>
    (await fetch(url, { headers: { authorization: `Bearer ${by}` } })).text();
  const pages = await Promise.all([
    read(`${server.backendUrl}/metrics`, secret),
    read(`${server.backendUrl}/info`, secret),
    read(`${server.url}/status.json`, key),
    read(`${server.url}/ready`, key),
    read(`${server.url}/v1/usage?group_by=key,model,tier`, key),
    read(`${server.url}/v1/transactions`, key),
    read(`${server.url}/v1/account/export`, server.apiKey),
    read(`${server.url}/v1/keys`, server.apiKey),
    read(`${server.url}/v1/webhooks`, server.apiKey),
    read(`${server.url}/v1/sessions`, server.apiKey),
    read(`${server.url}/admin/stats`, server.adminKey),
    read(`${server.url}/admin/audit`, server.adminKey),
    read(`${server.url}/admin/accounts/${server.accountId}`, server.adminKey),
  ]);
  return pages.join("\n");
}

let metrics: string;
let files: ReadonlyMap<string, Buffer>;

beforeAll(async () => {
  outside = await OutsideServer.start();
  vi.stubEnv("OTEL_EXPORTER_OTLP_ENDPOINT", outside.origin); // the backend's
  const traces = { OTEL_EXPORTER_OTLP_ENDPOINT: outside.origin, OTEL_TRACES_SAMPLER_ARG: "1" };
  const stripe = { STRIPE_SECRET_KEY: STRIPE.secret, STRIPE_WEBHOOK_SECRET: STRIPE.webhook };
  server = await startTestServer(
    dataDir,
    { LOG_REQUESTS: "1", ...traces, ...stripe, STRIPE_API_ORIGIN: outside.origin },
    { progress: () => undefined, log: (text) => logs.push(text) },
  );
  keys.push(server.apiKey);
  key = (await newKey({ name: "eager", cache: "eager" })).key;
  const gone = await newKey({ name: "gone" });
  await goodTraffic();
  await fileTraffic();
  await ownerTraffic();
  await stripeTraffic();
  const rotated = await ask(`/v1/keys/${gone.id}/rotate`, {}, {}, server.apiKey);
  keys.push(String(rotated.body["key"]));
  await fetch(`${server.url}/v1/keys/${gone.id}`, {
    method: "DELETE",
    headers: { authorization: `Bearer ${server.apiKey}` },
  });
  await failingTraffic();
  metrics = await figures();
  await server.stop();
  vi.unstubAllEnvs();
  await outside.stop();
  files = filesBelow(dataDir);
});
afterAll(() => {
  removeFolder(dataDir);
});

/** Texts found in `haystack`: `what: form`. */
function foundTexts(haystack: Uint8Array): readonly string[] {
  const forms = findNeedle(haystack, MARK);
  if (forms.length === 0) return [];
  return [`a text: ${forms.join(", ")}`, ...found(haystack, texts)];
}

/** Needles found in `haystack`: `what: form`. */
function found(haystack: Uint8Array, needles: readonly (Uint8Array | string)[]): readonly string[] {
  return needles.flatMap((text) =>
    findNeedle(haystack, text).map(
      (form) => `${texts.includes(String(text)) ? String(text).slice(MARK.length) : "a key"}: ${form}`,
    ),
  );
}

/** A key's text, and the secret bytes inside it: the account's id before them is no secret. So of other secrets. */
function formsOfKeys(): readonly (Uint8Array | string)[] {
  const hooks = secrets.flatMap((text) => {
    const base64 = text.replace(/^whsec_/, "");
    return base64 === text ? [text] : [base64, Buffer.from(base64, "base64")];
  });
  const ofKeys = keys.flatMap((text) => {
    const bytes = decodeBase62(text.slice(3), KEY_BYTES);
    return bytes === undefined ? [text] : [text, bytes.subarray(ACCOUNT_ID_BYTES, ACCOUNT_ID_BYTES + SECRET_BYTES)];
  });
  return [...ofKeys, ...hooks, ...Object.values(STRIPE)];
}

describe("the search", () => {
  test.each(["bytes", "hex", "HEX", "reversed", "utf-16", "base64", "base64url", "url"])(
    "finds a text as %s",
    (form) => {
      const text = "needle?>~ÿplanted";
      const planted = {
        bytes: Buffer.from(text),
        hex: Buffer.from(Buffer.from(text).toString("hex")),
        HEX: Buffer.from(Buffer.from(text).toString("hex").toUpperCase()),
        reversed: Buffer.from(Buffer.from(text).toReversed()),
        "utf-16": Buffer.from(text, "utf16le"),
        url: Buffer.from(encodeURIComponent(text)),
        base64: Buffer.from(Buffer.from(`.${text}.`).toString("base64")),
        base64url: Buffer.from(Buffer.from(`..${text}`).toString("base64url")),
      }[form];
      expect(
        findNeedle(Buffer.concat([Buffer.alloc(3), planted ?? Buffer.alloc(0), Buffer.alloc(3)]), text),
      ).not.toEqual([]);
    },
  );

  test("had something to search: lines of both programs, keys, ledgers, a cache entry, sealed files", () => {
    const log = logs.join("");
    expect(log).toContain('"event":"request"');
    expect(log).toContain('"process":"gpu-backend"');
    expect(texts.length).toBeGreaterThan(30);
    expect(keys).toHaveLength(5);
    expect(secrets.filter((text) => text.length > 40)).toHaveLength(3);
    expect(errors.length).toBeGreaterThan(15);
    const names = [...files.keys()].join("\n");
    for (const store of ["durable-objects", "kv", "r2", "d1", "cache"]) expect(names).toContain(`edge/${store}/`);
    expect(findNeedle(Buffer.concat([...files.values()]), "Development")).toContain("bytes");
    expect(metrics).toContain("backend_tokens_total");
    const paths = outside.received.map(({ path }) => path);
    expect(paths.filter((path) => path === "/v1/traces").length).toBeGreaterThan(40);
    expect(paths.filter((path) => path.startsWith("/v1/checkout"))).toHaveLength(2);
    const sent = outside.received.map(({ bytes }) => bytes.toString()).join("\n");
    for (const service of ["gigarouter-edge", "gigarouter-backend"]) expect(sent).toContain(service);
  });
});

describe("no text that a caller sent", () => {
  test("is in a log line", () => {
    const bytes = Buffer.from(logs.join(""));
    expect([...foundTexts(bytes), ...found(bytes, values)]).toEqual([]);
  });

  test("is in a file under the data folder, uploaded files included", () => {
    expect(
      [...files].flatMap(([name, bytes]) =>
        [...foundTexts(bytes), ...found(bytes, values)].map((what) => `${name}: ${what}`),
      ),
    ).toEqual([]);
  });

  test("is in a metric, a book or a list", () => {
    const bytes = Buffer.from(metrics);
    expect([...foundTexts(bytes), ...found(bytes, values)]).toEqual([]);
  });

  test("is in what a collector of traces or Stripe was sent", () => {
    const sent = Buffer.concat(outside.received.map(({ bytes }) => bytes));
    expect([...foundTexts(sent), ...found(sent, values)]).toEqual([]);
  });

  test("is in the answer to a call that failed", () => {
    expect(foundTexts(Buffer.from(errors.join("\n")))).toEqual([]);
  });
});

describe("no key, signing secret or session", () => {
  test("is in what a collector of traces or Stripe was sent", () => {
    const sent = Buffer.concat(outside.received.map(({ bytes }) => bytes));
    expect(found(sent, [...formsOfKeys(), server.adminKey])).toEqual([]);
  });

  test("is in a log line, a metric, or the answer to a call that failed", () => {
    expect(
      found(Buffer.from([logs.join(""), metrics, ...errors].join("\n")), [...formsOfKeys(), server.adminKey]),
    ).toEqual([]);
  });

  test("is in a file under the data folder but those that say so", () => {
    const searched = [...files].filter(([name]) => !KEPT_SECRETS.test(name));
    expect(searched.flatMap(([name, bytes]) => found(bytes, formsOfKeys()).map((what) => `${name}: ${what}`))).toEqual(
      [],
    );
  });
});
