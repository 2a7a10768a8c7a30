// An id of another account is nobody's, wherever it is sent: in every field of every body that the published document
// knows, in every parameter of a query, in an upload's lines, and beside fields that there are not. It is answered as an
// id that never was, nothing of the other account comes back, and nothing happens to it.

import { beforeAll, describe, expect, test } from "vitest";
import { openApiDocument } from "../../../edge/openapi/document.ts";
import { ROUTES } from "../../../edge/routes/table.ts";
import type { Operation } from "../../../edge/openapi/operation.ts";
import { must } from "../../../shared/assert.ts";
import { newId } from "../../../shared/ids.ts";
import type { IdKind } from "../../../shared/ids.ts";
import { embeddingLine, linesOf, startBatch, upload, workThrough } from "../batch/support.ts";
import { Api } from "../support/api.ts";
import type { ApiAnswer } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";

/** Collection and what makes one. */
const MADE = { keys: "key", alerts: "alert", webhooks: "webhook", files: "file", batches: "batch" } as const;
/** Whose ids go into every field: what the API names in bodies and filters, and with the account whose they are. */
const SENT = ["key", "file"] as const;
const NAME = "name-of-the-other-account";

const api = new Api();
let own: Awaited<ReturnType<Api["newAccount"]>>;
let foreign: Awaited<ReturnType<Api["newAccount"]>>;
const theirs = new Map<IdKind, string>();
const ours = new Map<IdKind, string>();
let before: string;

async function fill(key: string, ids: Map<IdKind, string>, name: string): Promise<void> {
  const made = async (path: string, body: object) => String((await api.call(path, { key, body })).body["id"]);
  ids.set("key", await made("/v1/keys", { name }));
  ids.set("alert", await made("/v1/alerts", { kind: "monthly_spend", threshold_usd: "2.5" }));
  ids.set("webhook", await made("/v1/webhooks", { url: "https://example.com/a", events: ["alert.triggered"] }));
  ids.set("file", String((await upload(api, key, embeddingLine("1", "a"))).body["id"]));
  ids.set("batch", await startBatch(api, key, [embeddingLine("1", "a")]));
}

/** All that the other account's owner sees of it. */
async function stateOf(key: string): Promise<string> {
  const paths = [...Object.keys(MADE).map((collection) => `/v1/${collection}`), "/v1/account", "/v1/transactions"];
  const texts = await Promise.all(paths.map(async (path) => (await api.call(path, { key })).text));
  // Looking is a use of the key.
  return texts.join("\n").replaceAll(/"last_used_at":\d+/g, '"last_used_at":0');
}

beforeAll(async () => {
  [own, foreign] = [await api.newAccount({ name: "own" }), await api.newAccount({ name: NAME })];
  await fill(foreign.key, theirs, NAME);
  await fill(own.key, ours, "ours");
  theirs.set("account", foreign.id);
  await api.settled(); // what was used is reported: a key's last use moves no more
  before = await stateOf(foreign.key);
});

interface Schema {
  readonly properties?: Readonly<Record<string, unknown>>;
}
const { schemas } = (openApiDocument("https://api.test", ROUTES) as { components: { schemas: Record<string, Schema> } })
  .components;

const bodied = ROUTES.filter(
  ({ auth, body, path }) =>
    auth === "key" && body !== undefined && body.mediaType === undefined && path !== "/v1/account",
);
/** One a field: what is sent is the operation's example with an id in that field. */
const FIELDS = bodied.flatMap((operation) => {
  const { name } = must(operation.body, "a body");
  const fields = Object.keys(must(schemas[name]?.properties, `the fields of ${name}`));
  return [...fields, "account_id"].map(
    (field) => [`${operation.method} ${operation.path} ${field}`, operation, field] as const,
  );
});
const QUERIES = ROUTES.flatMap((operation) => {
  const { auth, method, parameters = [], path } = operation;
  if (auth !== "key" || method !== "get" || path.includes("{")) return [];
  const names = parameters.filter((parameter) => parameter.in === "query").map(({ name }) => name);
  return [...names, "account_id"].map((name) => [`${operation.path} ${name}`, operation, name] as const);
});

function urlOf({ path }: Operation): string {
  const collection = /^\/v1\/([a-z]+)\/\{id\}/.exec(path)?.[1];
  const kind = Object.entries(MADE).find(([known]) => known === collection)?.[1];
  return kind === undefined ? path : path.replace("{id}", must(ours.get(kind), kind));
}

/** The same call with the other account's id and with nobody's is answered alike; nothing of theirs is in it. */
async function expectUnknown(kind: IdKind, ask: (id: string) => Promise<ApiAnswer>): Promise<void> {
  const id = must(theirs.get(kind), kind);
  const never = newId(kind);
  const [answer, nobodys] = [await ask(id), await ask(never)];
  const plain = (text: string, sent: string) => text.replaceAll(sent, "{id}");
  expect(answer.status).toBe(nobodys.status);
  if (answer.status >= 400) expect(plain(answer.text, id)).toBe(plain(nobodys.text, never));
  expect(answer.text).not.toContain(NAME);
}

describe("another account's id in a field", () => {
  test.each(FIELDS)("%s is nobody's", async (_, operation, field) => {
    const { example } = must(operation.body, "a body") as { example: object };
    const models = Object.hasOwn(example, "model") ? { model: MODEL } : {};
    const send = (value: unknown) =>
      api.call(urlOf(operation), {
        method: operation.method.toUpperCase(),
        key: own.key,
        body: { ...example, ...models, [field]: value },
      });
    for (const kind of SENT) await expectUnknown(kind, send);
    await expectUnknown("key", (id) => send([id]));
    await expectUnknown("file", (id) => send({ id, file_id: id }));
  });

  test.each(QUERIES)("%s is nobody's", async (_, { path }, name) => {
    for (const kind of SENT) {
      await expectUnknown(kind, (id) => api.call(`${path}?start_time=1&${name}=${id}`, { key: own.key }));
    }
  });

  test("an Idempotency-Key of the same name makes one thing for each account", async () => {
    const headers = { "idempotency-key": "the-same" };
    const body = { name: "once" };
    const [first, second] = [
      await api.call("/v1/keys", { key: foreign.key, headers, body }),
      await api.call("/v1/keys", { key: own.key, headers, body }),
    ];
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.body["id"]).not.toBe(first.body["id"]);
    await api.call(`/v1/keys/${String(first.body["id"])}`, { key: foreign.key, method: "DELETE" });
  });
});

describe("another account's id in a batch", () => {
  async function outcomeOf(id: string, lines: readonly string[]): Promise<string> {
    const batch = await workThrough(api, own.key, await startBatch(api, own.key, lines));
    const files = [batch.output_file_id, batch.error_file_id].filter((file) => file !== null);
    const results = (await Promise.all(files.map((file) => linesOf(api, own.key, file)))).flat();
    const outcomes = results.map(({ custom_id: name, error, response }) => {
      const refusal = response?.body["error"];
      return [name, error, response?.status_code, refusal ?? "an answer"];
    });
    return JSON.stringify([batch.status, batch.errors, outcomes.toSorted()]).replaceAll(id, "{id}");
  }

  /** Each field of a line and of its body with `id`; what came of it, without what is random. */
  async function outcomesOf(id: string, nth: string): Promise<string> {
    const names = Object.keys(must(schemas["EmbeddingsRequest"]?.properties, "the fields of a line's body"));
    const more = ["input_file_id", "file_id", "account_id", "key_id"];
    const lines = [...names, ...more]
      .filter((name) => name !== "model") // an unknown one ends the whole batch
      .map((name) => embeddingLine(name, `text ${nth}`, { [name]: id }));
    const all = await outcomeOf(id, [embeddingLine(`${id} as custom_id`, `text ${nth}`), ...lines]);
    return all + (await outcomeOf(id, [embeddingLine("model", "a", { model: id })]));
  }

  test.each(SENT)("is nobody's in a line: %s", async (kind) => {
    const outcome = await outcomesOf(must(theirs.get(kind), kind), "one");
    expect(outcome).toBe(await outcomesOf(newId(kind), "two"));
    expect(outcome).toContain('"an answer"');
    for (const secret of [NAME, ...theirs.values()]) expect(outcome).not.toContain(secret);
  });

  test("is what it says in metadata, and no more", async () => {
    const file = must(ours.get("file"), "a file");
    const metadata = Object.fromEntries([...theirs].map(([kind, id]) => [`${kind}_id`, id]));
    const body = { input_file_id: file, endpoint: "/v1/embeddings", completion_window: "24h", metadata };
    const made = await api.call("/v1/batches", { key: own.key, body });
    expect(made.body).toMatchObject({ input_file_id: file, metadata });
    await workThrough(api, own.key, String(made.body["id"]));
    expect(made.text).not.toContain(NAME);
  });
});

test("nothing happened to the other account", async () => {
  expect(await stateOf(foreign.key)).toBe(before);
});
