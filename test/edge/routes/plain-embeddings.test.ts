// The straight way of a plain call: which calls take it, that it answers and charges as the usual way does, and that what
// it cannot finish is answered there, once.

import { createExecutionContext, env, waitOnExecutionContext } from "cloudflare:test";
import { beforeAll, describe, expect, it, test } from "vitest";
import { callsEmbeddings, plainEmbeddings } from "../../../edge/routes/plain-embeddings.ts";
import { Api } from "../support/api.ts";
import type { ApiAnswer } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";
import { must } from "../../../shared/assert.ts";

const PATH = "/v1/embeddings";
const BARE = MODEL.slice(MODEL.indexOf("/") + 1);
const api = new Api();
let key: string;
let id: string;

beforeAll(async () => {
  ({ key, id } = await api.newAccount());
  // The isolate's first call; what it needs sizes the lease that the others are covered by.
  const input = Array.from({ length: 200 }, (_, index) => `text ${index}`);
  await api.call(PATH, { key, body: { model: MODEL, input } });
  await api.settled();
});

async function wayOf(body: unknown, headers: Record<string, string | undefined> = {}): Promise<"plain" | "usual"> {
  const content = typeof body === "string" ? body : JSON.stringify(body);
  const length = String(new TextEncoder().encode(content).length);
  const all = {
    authorization: `Bearer ${key}`,
    "content-type": "application/json",
    "content-length": length,
    ...headers,
  };
  const sent = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
  const context = createExecutionContext();
  const request = new Request(`https://api.test${PATH}`, { method: "POST", headers: [...sent], body: content });
  const answer = await plainEmbeddings(request, env, context, () => new Response(null, { status: 204 }));
  await answer.arrayBuffer();
  await waitOnExecutionContext(context);
  return answer.status === 204 ? "usual" : "plain";
}

const asked = (change: object) => ({ model: MODEL, input: "hello", ...change });

describe("a call is plain", () => {
  test.each([
    ["with a text", {}],
    ["with texts, some of them twice", { input: ["a", "b", "a"] }],
    ["in base64", { encoding_format: "base64" }],
    ["cut", { dimensions: 4 }],
    ["of the whole length", { dimensions: 8 }],
    ["with a user and nulls", { user: "u", dimensions: null }],
  ])("%s", async (_, change) => {
    expect(await wayOf(asked(change))).toBe("plain");
  });

  test.each([
    ["content-type", "application/json; charset=utf-8"],
    ["x-request-id", "mine"],
    ["x-stainless-lang", "js"],
    ["origin", "https://page.test"],
  ])("with the header %s", async (name, value) => {
    expect(await wayOf(asked({}), { [name]: value })).toBe("plain");
  });
});

it("is at its own path alone", () => {
  const isIt = (url: string, method = "POST") => callsEmbeddings(new Request(url, { method }));
  expect(["https://h", "http://h:1", "https://u@h"].map((origin) => isIt(origin + PATH))).toEqual([true, true, true]);
  const others = [`${PATH}/`, `/a${PATH}`, `${PATH}?a=1`, `/?u=http://h${PATH}`, "/embeddings", `//h${PATH}`];
  expect(others.filter((path) => isIt(`https://h${path}`))).toEqual([]);
  expect(isIt(`https://h${PATH}`, "PUT")).toBe(false);
});

describe("a call goes the usual way", () => {
  test.each([
    ["with token ids", { input: [1, 2] }],
    ["with pairs", { input: [["a", "b"]] }],
    ["without texts", { input: [] }],
    ["with an empty text", { input: ["a", ""] }],
    ["of a model by its bare name", { model: BARE }],
    ["with a suffix", { model: `${MODEL}@4` }],
    ["whose items fail alone", { model: `${MODEL}:per_item` }],
    ["of a model that there is not", { model: "owner/none" }],
    ["cut to nothing", { dimensions: 0 }],
    ["cut to more than there is", { dimensions: 9 }],
    ["with an option in the body", { truncate: "end" }],
    ["with a field that there is not", { inputs: "a" }],
    ["over 64 KB", { input: "x".repeat(65_536) }],
  ])("%s", async (_, change) => {
    expect(await wayOf(asked(change))).toBe("usual");
  });

  test.each([
    ["x-tier", "batch"],
    ["x-max-cost", "1"],
    ["x-require-revision", "a".repeat(16)],
    ["prefer", "wait=1"],
    ["cache-control", "no-store"],
    ["idempotency-key", "k"],
    ["content-encoding", "gzip"],
    ["traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
    ["content-type", "application/x-ndjson"],
    ["content-type", "application/jsonp"],
    ["content-type", undefined],
    ["content-length", undefined],
    ["authorization", undefined],
    ["authorization", "Bearer gr_forged"],
  ])("with the header %s: %s", async (name, value) => {
    expect(await wayOf(asked({}), { [name]: value })).toBe("usual");
  });

  test("with a body that is no JSON", async () => {
    expect(await wayOf("{")).toBe("usual");
  });
});

/** The same call on both ways; a held option of no effect makes the second one usual. */
async function bothWays(body: object): Promise<readonly [ApiAnswer, ApiAnswer]> {
  const call = { key, body };
  return [await api.call(PATH, call), await api.call(PATH, { ...call, headers: { prefer: "wait=1" } })];
}

it("answers as the usual way does, in every byte and header but those of the moment", async () => {
  const texts = ["hit", "Grüße, 世界 🎉", "hit"];
  for (const change of [{}, { encoding_format: "base64" }, { dimensions: 3, user: "u" }, { input: texts }]) {
    await api.call(PATH, { key, body: asked(change) }); // hits for both
    const [plain, usual] = await bothWays(asked(change));
    expect(plain.text).toBe(usual.text);
    const namesOf = ({ headers }: ApiAnswer) => [...headers.keys()];
    expect(namesOf(plain)).toEqual(namesOf(usual));
    const moment = /^(?:x-request-id|server-timing|x-credit-remaining-usd|x-ratelimit-(?:remaining|reset)-.*)$/;
    for (const name of namesOf(plain)) {
      if (!moment.test(name)) expect([name, plain.headers.get(name)]).toEqual([name, usual.headers.get(name)]);
    }
  }
});

it("charges what its answer says, counts the call once and echoes the client's id", async () => {
  const chargedOf = async () => Number((await api.admin(`/admin/accounts/${id}`)).body["charged_usd"]);
  await api.settled();
  const before = await chargedOf();
  const headers = { "x-request-id": "mine" };
  const answer = await api.call(PATH, { key, headers, body: asked({ input: ["paid once", "paid twice"] }) });
  await api.settled();
  const { cost } = answer.body["usage"] as { readonly cost: number };
  expect(cost).toBeGreaterThan(0);
  expect(Math.round((await chargedOf()) * 1e9)).toBe(Math.round((before + cost) * 1e9));
  expect(answer.headers.get("x-request-id")).toBe("mine");
});

it("hands a failure to the usual way: told once, in its words, charged and counted as there", async () => {
  const { behaviour } = api.backend;
  api.backend.behaviour = {
    kind: "fault",
    fault: { code: "text_too_complex", message: "too complex", index: 1, facts: {}, retryAfterS: null },
  };
  const sentBefore = api.backend.embeds.length;
  const answer = await api.call(PATH, { key, body: asked({ input: ["a new text", "a bad text"] }) });
  api.backend.behaviour = behaviour;
  expect([answer.status, answer.body["error"]]).toMatchObject([400, { code: "text_too_complex", param: "input[1]" }]);
  expect(api.backend.embeds.length).toBe(sentBefore + 1);
  expect(must(answer.headers.get("x-request-id"), "an id")).toMatch(/^req_/);
  await api.settled();
  const usage = (await api.call("/v1/usage?group_by=model", { key })).body;
  expect(JSON.stringify(usage)).toContain(`"errors":{"4xx":1,"5xx":0}`);
});
