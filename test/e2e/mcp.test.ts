// POST /mcp from outside, with the protocol's own client, in both revisions of the protocol: each tool answers what the
// public API answers to the same key, and fails in the API's words.
import type { CallToolResult } from "@modelcontextprotocol/client";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DevServer } from "../../scripts/dev-server/dev-server.ts";
import { call, removeFolder, startTestServer, temporaryFolder } from "../support/dev-server.ts";

const ERAS = [
  ["of 2025", "legacy"],
  ["of 2026", { pin: "2026-07-28" }],
] as const;
type Mode = (typeof ERAS)[number][1];

const TOOLS = ["embed", "similarity", "rerank", "quote", "usage"];
const TEXTS = ["Open Settings, then Security.", "Our office in Bern is closed on Sundays."];
const QUESTION = "How do I reset my password?";

const dataDir = temporaryFolder();
let server: DevServer;
const clients: Client[] = [];

beforeAll(async () => {
  server = await startTestServer(dataDir);
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await server.stop();
  removeFolder(dataDir);
});

async function connect(mode: Mode, key: string | undefined): Promise<Client> {
  const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode } });
  const requestInit = key === undefined ? {} : { headers: { authorization: `Bearer ${key}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL("/mcp", server.url), { requestInit }));
  clients.push(client);
  return client;
}

const api = async (path: string, body?: unknown, key = server.apiKey) => (await call(server.url, key, path, body)).body;

/** What a tool has answered, which is the same as data and as text. */
async function use(client: Client, name: string, args: Record<string, unknown>): Promise<Record<string, unknown>> {
  const result = await client.callTool({ name, arguments: args });
  expect(result.isError ?? false).toBe(false);
  expect(JSON.parse(textOf(result))).toEqual(result.structuredContent);
  return result.structuredContent as Record<string, unknown>;
}

async function failure(client: Client, name: string, args: Record<string, unknown>): Promise<unknown> {
  const result = await client.callTool({ name, arguments: args });
  expect(result.isError).toBe(true);
  return JSON.parse(textOf(result));
}

function textOf({ content }: CallToolResult): string {
  const [only] = content;
  return only?.type === "text" ? only.text : "";
}

async function newKey(terms: object = {}): Promise<{ readonly id: string; readonly key: string }> {
  const { id, key } = await api("/v1/keys", { name: "mcp", ...terms });
  return { id: String(id), key: String(key) };
}

describe.each(ERAS)("the protocol %s", (_, mode) => {
  test("lists five tools with what they take and answer, and the models that there are", async () => {
    const client = await connect(mode, server.apiKey);
    expect(client.getServerCapabilities()).toEqual({ tools: { listChanged: false } });
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(TOOLS);
    for (const { description, inputSchema, outputSchema } of tools) {
      expect(description).toBeTruthy();
      expect([inputSchema.type, inputSchema["additionalProperties"]]).toEqual(["object", false]);
      expect(outputSchema?.type).toBe("object");
    }
    expect(JSON.stringify(tools[0]?.inputSchema.properties?.["model"])).toContain(server.model);
  });

  test("embeds as the API does, short unless told", async () => {
    const client = await connect(mode, server.apiKey);
    const { model } = server;
    for (const fields of [{}, { dimensions: 128, input_type: "query" }, { instruction: "Find a fruit" }]) {
      const { data } = await use(client, "embed", { input: TEXTS, ...fields });
      const expected = await api("/v1/embeddings", { model, input: TEXTS, dimensions: 64, ...fields });
      const vectors = (expected["data"] as { embedding: number[] }[]).map(({ embedding }) => embedding);
      expect((data as { embedding: number[] }[]).map(({ embedding }) => embedding)).toEqual(vectors);
    }
    const named = await use(client, "embed", { input: TEXTS, model: "demo-embedding@32" });
    expect((named["data"] as { embedding: number[] }[])[0]?.embedding).toHaveLength(32);
  });

  test("compares, ranks and quotes as the API does", async () => {
    const client = await connect(mode, server.apiKey);
    const { model } = server;
    const compared = await use(client, "similarity", { source: QUESTION, targets: TEXTS });
    expect(compared["data"]).toEqual(
      (await api("/v1/similarity", { model, source: QUESTION, targets: TEXTS }))["data"],
    );
    const question = { query: QUESTION, documents: TEXTS };
    const ranked = await use(client, "rerank", { ...question, top_n: 1 });
    const { results, method } = await api("/v1/rerank", { model, ...question, top_n: 1 });
    expect(ranked).toMatchObject({ model, method, results });
    for (const quoted of [{ input: TEXTS }, question]) {
      const quote = await use(client, "quote", quoted);
      const { total_tokens, cost_usd, batch_cost_nano_usd, fits } = await api("/v1/tokenize", { model, ...quoted });
      expect(quote).toEqual({ model, total_tokens, cost_usd, batch_cost_usd: Number(batch_cost_nano_usd) / 1e9, fits });
    }
  });

  test("tells what is left and what was used, to the nano-dollar", async () => {
    const { key } = await newKey({ scopes: ["embeddings", "usage:read"] });
    const client = await connect(mode, key);
    const before = await use(client, "usage", { days: 1 });
    const { usage } = await use(client, "embed", { input: [`Usage in ${JSON.stringify(mode)}`] });
    const spent = (usage as { cost: number }).cost;
    expect(spent).toBeGreaterThan(0);
    const costOf = (told: Record<string, unknown>) =>
      (told["models"] as { cost_usd: string }[]).reduce((sum, { cost_usd }) => sum + Number(cost_usd), 0);
    await expect
      .poll(async () => Math.round((costOf(await use(client, "usage", {})) - costOf(before)) * 1e9), {
        timeout: 10_000,
      })
      .toBe(Math.round(spent * 1e9));
    const balance = Number((await use(client, "usage", {}))["balance_usd"]);
    expect(Math.round((Number(before["balance_usd"]) - balance) * 1e9)).toBe(Math.round(spent * 1e9));
  });

  test("answers no more than a model can read, and charges nothing for what it refuses", async () => {
    const { key } = await newKey({ scopes: ["embeddings", "usage:read"] });
    const client = await connect(mode, key);
    const { balance_usd: before } = await use(client, "usage", {});
    const error = { code: "too_many_inputs", param: "input", message: expect.stringContaining("at most 4096") };
    const many = Array.from({ length: 65 }, (_text, index) => `text ${index}`);
    expect(await failure(client, "embed", { input: many })).toMatchObject({ error });
    expect(await failure(client, "embed", { input: many.slice(0, 17), dimensions: 256 })).toMatchObject({ error });
    expect(await failure(client, "embed", { input: many.slice(0, 17), model: "demo-embedding@256" })).toMatchObject({
      error,
    });
    expect((await use(client, "usage", {}))["balance_usd"]).toBe(before);
  });

  test("fails in the API's words", async () => {
    const client = await connect(mode, server.apiKey);
    const { model } = server;
    const error = { ...(await api("/v1/embeddings", { model, input: ["a", ""] })) };
    expect(error).toHaveProperty("error.param", "input[1]");
    expect(await failure(client, "embed", { input: ["a", ""] })).toEqual(error);
    const unknown = await api("/v1/similarity", { model: "demo-embeding", source: "a", targets: ["b"] });
    expect(unknown).toHaveProperty("error.code", "model_not_found");
    expect(await failure(client, "similarity", { model: "demo-embeding", source: "a", targets: ["b"] })).toEqual(
      unknown,
    );
    const dear = await failure(client, "rerank", { query: "a dear query", documents: TEXTS, max_cost_usd: 0 });
    expect(dear).toHaveProperty("error.code", "max_cost_exceeded");
    expect(await failure(client, "quote", { input: ["a"], documents: ["b"] })).toHaveProperty("error.type");
  });

  test.each([
    ["embed", { input: ["a"], texts: ["b"] }, "unknown_field", "texts", "Here it is called `input`."],
    ["embed", {}, "missing_field", "input", "`input` is missing: it must be an array of at least one string."],
    ["embed", { input: "a" }, "invalid_type", "input", "must be an array of at least one string, not a string."],
    ["embed", { input: ["a", 7] }, "invalid_type", "input[1]", "must be a string, not 7."],
    ["embed", { input: [] }, "invalid_value", "input", "must be an array of at least one string, not an empty array."],
    ["embed", { input: ["a"], dimensions: "8" }, "invalid_type", "dimensions", 'not the string "8".'],
    ["embed", { input: ["a"], input_type: "question" }, "invalid_value", "input_type", 'one of "query", "document"'],
    ["embed", { input: ["a"], model: 7 }, "invalid_type", "model", "must be a model's name, not 7."],
    [
      "similarity",
      { source: "a", targets: Array(257).fill("b") },
      "invalid_value",
      "targets",
      "at most 256 strings, not 257.",
    ],
    [
      "rerank",
      { query: "a", documents: ["b"], top_n: 101 },
      "invalid_value",
      "top_n",
      "an integer from 1 to 100, not 101.",
    ],
    ["quote", { input: ["a"], max_cost_usd: 1 }, "unknown_field", "max_cost_usd", "Known fields: input, query"],
    [
      "similarity",
      { source: "a", targets: ["b"], max_cost_usd: -1 },
      "invalid_value",
      "max_cost_usd",
      "from 0 up, not -1.",
    ],
    ["usage", { days: 0 }, "invalid_value", "days", "`days` must be an integer from 1 to 90, not 0."],
  ])("refuses an argument of %s in the API's words: %j", async (tool, args, code, param, words) => {
    const client = await connect(mode, server.apiKey);
    const message = expect.stringMatching(/ See http.*\/docs\/errors#/) as string;
    const failed = await failure(client, tool, args);
    expect(failed).toMatchObject({ error: { type: "invalid_request_error", code, param, message } });
    expect((failed as { error: { message: string } }).error.message).toContain(words);
  });

  test("takes null for an argument that is left out", async () => {
    const client = await connect(mode, server.apiKey);
    await use(client, "similarity", { source: QUESTION, targets: TEXTS, model: null, max_cost_usd: null });
  });

  test("takes no call without a key, or with a mistyped one", async () => {
    await expect(connect(mode, undefined)).rejects.toThrow(/401|No API key/);
    await expect(connect(mode, "gr-mistyped")).rejects.toThrow(/401|not one of ours/);
  });

  test("with a revoked key, and with one that lacks a scope, tools fail as the API's routes do", async () => {
    const { id, key } = await newKey({ scopes: ["embeddings"] });
    const narrow = await connect(mode, key);
    expect(await failure(narrow, "usage", {})).toEqual(await api("/v1/usage", undefined, key));
    const revoked = await newKey();
    const client = await connect(mode, revoked.key);
    for (const one of [id, revoked.id]) {
      const headers = { authorization: `Bearer ${server.apiKey}` };
      expect((await fetch(`${server.url}/v1/keys/${one}`, { method: "DELETE", headers })).status).toBe(200);
    }
    const input = TEXTS;
    const expected = await api("/v1/embeddings", { model: server.model, input }, revoked.key);
    expect(expected).toHaveProperty("error.type", "authentication_error");
    expect(await failure(client, "embed", { input })).toEqual(expected);
    expect(await failure(client, "usage", {})).toEqual(expected);
  });
});

describe("/mcp over plain HTTP", () => {
  const url = () => `${server.url}/mcp`;

  test("has no sessions: GET and DELETE are 405", async () => {
    for (const method of ["GET", "DELETE"]) {
      const headers = { accept: "text/event-stream", authorization: `Bearer ${server.apiKey}` };
      const answer = await fetch(url(), { method, headers });
      expect([answer.status, answer.headers.get("allow")]).toEqual([405, "POST"]);
    }
  });

  test("says 401 with how to send a key, before the body is read", async () => {
    const answer = await fetch(url(), { method: "POST", body: "no JSON" });
    expect([answer.status, answer.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
    expect(await answer.json()).toHaveProperty("error.code", "missing_api_key");
  });

  test("may be called from any origin", async () => {
    const asked = { origin: "https://inspector.test", "access-control-request-method": "POST" };
    const answer = await fetch(url(), { method: "OPTIONS", headers: asked });
    expect([answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([204, "*"]);
  });

  test("refuses a batch of many messages whole", async () => {
    const message = { jsonrpc: "2.0", method: "ping" };
    const body = JSON.stringify(Array.from({ length: 17 }, (_item, id) => ({ ...message, id })));
    const headers = { authorization: `Bearer ${server.apiKey}`, "content-type": "application/json" };
    const answer = await fetch(url(), { method: "POST", headers, body });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toHaveProperty("error.code", "too_many_inputs");
  });
});
