// `Idempotency-Key` on every POST that makes something: a retry of a lost answer makes no second thing.

import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { beforeAll, describe, expect, test } from "vitest";
import { must } from "../../../shared/assert.ts";
import { parseId } from "../../../shared/ids.ts";
import { stubOf } from "../account/support.ts";
import { embeddingLine, formOf, upload } from "../batch/support.ts";
import { Api } from "../support/api.ts";
import type { ApiAnswer } from "../support/api.ts";

const api = new Api();
let account: { readonly id: string; readonly key: string };
let other: string;
let fileId: string;
let names = 0;

beforeAll(async () => {
  account = await api.newAccount();
  other = String(
    (await post("/v1/keys", { scopes: ["embeddings", "batches", "keys:write", "account:write"] })).body["key"],
  );
  fileId = String((await upload(api, account.key, embeddingLine("a", "a"))).body["id"]);
});

function post(path: string, body: object, name?: string, key = account.key): Promise<ApiAnswer> {
  return api.call(path, { key, body, headers: name === undefined ? {} : { "idempotency-key": name } });
}

const newName = () => `retry-${(names += 1)}`;

const MAKES: readonly (readonly [string, () => object, () => object])[] = [
  ["/v1/keys", () => ({ name: "one" }), () => ({ name: "two" })],
  ["/v1/webhooks", () => ({ url: "https://example.com/a" }), () => ({ url: "https://example.com/b" })],
  [
    "/v1/alerts",
    () => ({ kind: "monthly_spend", threshold_usd: 1 }),
    () => ({ kind: "monthly_spend", threshold_usd: 2 }),
  ],
  [
    "/v1/batches",
    () => ({ input_file_id: fileId, endpoint: "/v1/embeddings", completion_window: "24h" }),
    () => ({ input_file_id: fileId, endpoint: "/v1/embeddings", completion_window: "24h", metadata: { a: "b" } }),
  ],
];

describe.each(MAKES)("POST %s", (path, body, another) => {
  test("again makes nothing, and is answered with what was made", async () => {
    const name = newName();
    const first = await post(path, body(), name);
    expect(first.status).toBeLessThan(300);
    expect(first.headers.get("x-idempotent-replayed")).toBeNull();
    const again = await post(path, body(), name);
    expect(again.headers.get("x-idempotent-replayed")).toBe("true");
    expect({ status: again.status, id: again.body["id"] }).toEqual({ status: first.status, id: first.body["id"] });
    expect(again.body["key"] ?? again.body["secret"]).toEqual(first.body["key"] ?? first.body["secret"]);
    const listed = (await api.call(path, { key: account.key })).body["data"] as { id: string }[];
    expect(listed.filter(({ id }) => id === first.body["id"])).toHaveLength(1);
  });

  test("at once makes one", async () => {
    const name = newName();
    const answers = await Promise.all([1, 2, 3].map(() => post(path, body(), name)));
    expect(new Set(answers.map((answer) => answer.body["id"])).size).toBe(1);
  });

  test("with another body is refused, and makes nothing", async () => {
    const name = newName();
    await post(path, body(), name);
    const refused = { status: 400, body: { error: { code: "idempotency_key_reused" } } };
    expect(await post(path, another(), name)).toMatchObject(refused);
  });

  test("of another key of the account is another call, and a call that failed holds no name", async () => {
    const name = newName();
    const refused = await post(path, { ...body(), nonsense: 1 }, name);
    expect(refused.status).toBe(400);
    const [one, two] = [await post(path, body(), name), await post(path, body(), name, other)];
    expect(one.status).toBeLessThan(300);
    expect(two.body["id"]).not.toBe(one.body["id"]);
  });

  test("with a name that is none is refused", async () => {
    expect(await post(path, body(), "a b")).toMatchObject({ status: 400, body: { error: { code: "invalid_header" } } });
  });
});

describe("POST /v1/files", () => {
  const file = (content: string, name: string, filename = "a.jsonl") => {
    const form = formOf({ file: { filename, content }, purpose: "batch" });
    return api.call("/v1/files", {
      key: account.key,
      method: "POST",
      body: form.body,
      headers: { ...form.headers, "idempotency-key": name },
    });
  };

  test("again stores nothing, and is answered with what was stored", async () => {
    const name = newName();
    const count = async () =>
      ((await api.call("/v1/files?purpose=batch", { key: account.key })).body["data"] as unknown[]).length;
    const before = await count();
    const first = await file(embeddingLine("a", "text"), name);
    const again = await file(embeddingLine("a", "text"), name);
    expect(again.headers.get("x-idempotent-replayed")).toBe("true");
    expect(again.body).toEqual(first.body);
    expect(await count()).toBe(before + 1);
    expect(await file(embeddingLine("a", "other"), name)).toMatchObject({
      status: 400,
      body: { error: { code: "idempotency_key_reused" } },
    });
    expect(await file(embeddingLine("a", "text"), name, "b.jsonl")).toMatchObject({ status: 400 });
    expect(await count()).toBe(before + 1);
  });
});

describe("a secret that is shown once", () => {
  const stub = () => stubOf(must(parseId("account", account.id), "an account"));
  /** What was made a while ago: `ms` earlier than it was. */
  const age = (ms: number) =>
    runInDurableObject(
      stub(),
      (_object, { storage }) => void storage.sql.exec("UPDATE made SET at_ms = at_ms - ?", ms),
    );

  test.each(["/v1/keys", "/v1/webhooks", "rotate"])("comes back for a minute, and never again: %s", async (what) => {
    const made = (await post("/v1/keys", {})).body;
    const path = what === "rotate" ? `/v1/keys/${String(made["id"])}/rotate` : what;
    const body = what === "/v1/webhooks" ? { url: "https://example.com/c" } : {};
    const name = newName();
    const secretOf = ({ body: answer }: ApiAnswer) => answer[what === "/v1/webhooks" ? "secret" : "key"];
    const first = await post(path, body, name);
    expect(secretOf(first)).toMatch(/^(gr-|whsec_)/);
    expect(secretOf(await post(path, body, name))).toBe(secretOf(first));
    await age(60_000);
    const late = await post(path, body, name);
    expect(late.body["id"]).toBe(first.body["id"]);
    expect(secretOf(late)).toBeNull();
  });

  test("waits sealed, and is wiped", async () => {
    const name = newName();
    const { body } = await post("/v1/keys", {}, name);
    const rows = () =>
      runInDurableObject(stub(), (_object, { storage }) =>
        JSON.stringify(storage.sql.exec("SELECT * FROM made").toArray()),
      );
    expect(await rows()).not.toContain(String(body["key"]));
    expect(await rows()).toMatch(/"sealed":"/);
    await age(60_000);
    await runDurableObjectAlarm(stub());
    expect(await rows()).not.toMatch(/"sealed":"/);
    await age(86_400_000);
    expect((await post("/v1/keys", {}, name)).body["id"]).not.toBe(body["id"]);
  });
});
