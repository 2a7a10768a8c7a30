// A call that requires a revision is answered in that one, or refused before any work, with nothing charged.

import { beforeEach, describe, expect, test } from "vitest";
import { embeddingLine, linesOf, startBatch, workThrough } from "../batch/support.ts";
import { Api } from "../support/api.ts";
import type { ApiAnswer } from "../support/api.ts";
import { MODEL, REVISION_1, REVISION_2 } from "../support/fake-backends.ts";

const api = new Api();
const { backend } = api;
let account: Awaited<ReturnType<Api["newAccount"]>>;
let calls = 0;

beforeEach(async () => {
  account = await api.newAccount({ scopes: ["embeddings", "rerank", "batches"] });
  await serve(REVISION_1);
});

/** From now on the backend has `revision`, and the isolate knows. */
async function serve(revision: typeof REVISION_1): Promise<void> {
  backend.revision = revision;
  await post("/v1/embeddings", { input: fresh() });
}

const fresh = () => `text ${(calls += 1)}`;

function post(path: string, body: object, headers: Record<string, string> = {}): Promise<ApiAnswer> {
  return api.call(path, { key: account.key, headers, body: { model: MODEL, ...body } });
}

const ROUTES: readonly (readonly [string, () => object])[] = [
  ["/v1/embeddings", () => ({ input: fresh() })],
  ["/embeddings", () => ({ input: [fresh()] })],
  ["/v1/similarity", () => ({ source: fresh(), targets: [fresh()] })],
  ["/v1/rerank", () => ({ query: fresh(), documents: [fresh()] })],
  ["/v2/rerank", () => ({ query: fresh(), documents: [fresh()] })],
  ["/v1/tokenize", () => ({ input: fresh() })],
  ["/v1/tokenize", () => ({ query: fresh(), documents: [fresh()] })],
];
const HEADER = "X-Require-Revision";
const WAYS: readonly (readonly [string, (revision: string) => readonly [object, Record<string, string>]])[] = [
  [HEADER, (revision) => [{}, { "x-require-revision": revision }]],
  ["revision", (revision) => [{ revision }, {}]],
];

async function charged(): Promise<unknown> {
  await api.settled();
  return (await api.admin(`/admin/accounts/${account.id}`)).body["charged_nano_usd"];
}
const asked = () => [backend.embeds, backend.scores, backend.tokenizes, backend.scoreTokenizes].flat().length;

function expectRefused(answer: ApiAnswer, required: string, served: string, param = "revision"): void {
  expect([answer.status, answer.headers.get("x-should-retry")]).toEqual([409, "false"]);
  const error = answer.body["error"] as { message: string };
  expect(error).toMatchObject({ code: "revision_changed", type: "invalid_request_error", param });
  for (const revision of [required, served]) expect(error.message).toContain(revision);
}

describe.each(WAYS)("a required revision, by `%s`", (name, way) => {
  test.each(ROUTES)(
    "%s: answers in it, or refuses before any work, and in the middle of an update",
    async (path, body) => {
      const [field, headers] = way(REVISION_1);
      const answer = await post(path, { ...body(), ...field }, headers);
      expect([answer.status, answer.headers.get("x-model-revision")]).toEqual([200, REVISION_1]);

      const before = [await charged(), asked()];
      const [other, otherHeaders] = way(REVISION_2);
      expectRefused(await post(path, { ...body(), ...other }, otherHeaders), REVISION_2, REVISION_1, name);
      expect([await charged(), asked()]).toEqual(before);

      // The isolate still believes in the first revision, and the backend has the second.
      backend.revision = REVISION_2;
      expectRefused(await post(path, { ...body(), ...field }, headers), REVISION_1, REVISION_2, name);
      expect(await charged()).toBe(before[0]);
      expect((await post(path, { ...body(), ...other }, otherHeaders)).status).toBe(200);
    },
  );
});

test("another revision is refused before the exact count that a cost limit asks for", async () => {
  const before = asked();
  const headers = { "x-require-revision": REVISION_2, "x-max-cost": "0" };
  expectRefused(await post("/v1/embeddings", { input: fresh() }, headers), REVISION_2, REVISION_1, HEADER);
  expect(asked()).toBe(before);
});

test("a revision that is none, or another one in the field, is a clear error", async () => {
  const badHeader = await post("/v1/embeddings", { input: "a" }, { "x-require-revision": "latest" });
  expect([badHeader.status, badHeader.body["error"]]).toMatchObject([
    400,
    { code: "invalid_header", param: "X-Require-Revision", message: expect.stringContaining("16 to 64") },
  ]);
  const both = await post("/v1/tokenize", { input: "a", revision: REVISION_1 }, { "x-require-revision": REVISION_2 });
  expect([both.status, both.body["error"]]).toMatchObject([400, { code: "incompatible_options" }]);
  const same = await post("/v1/tokenize", { input: "a", revision: REVISION_1 }, { "x-require-revision": REVISION_1 });
  expect(same.status).toBe(200);
});

test("a cached vector of a revision that is gone is not served to who requires it", async () => {
  const input = fresh();
  await post("/v1/embeddings", { input });
  await serve(REVISION_2);
  expectRefused(await post("/v1/embeddings", { input, revision: REVISION_1 }), REVISION_1, REVISION_2);
});

test("under an `Idempotency-Key` the first answer comes again though the model has changed, and no other revision's", async () => {
  const input = fresh();
  const headers = { "idempotency-key": fresh().replace(" ", "-"), "x-require-revision": REVISION_1 };
  const first = await post("/v1/embeddings", { input }, headers);
  expect(first.status).toBe(200);
  await serve(REVISION_2);
  const cost = await charged();
  const again = await post("/v1/embeddings", { input }, headers);
  expect([again.status, again.text, again.headers.get("x-idempotent-replayed")]).toEqual([200, first.text, "true"]);
  const other = await post("/v1/embeddings", { input }, { ...headers, "x-require-revision": REVISION_2 });
  expectRefused(other, REVISION_2, REVISION_1, HEADER);
  // A key without an answer is free after a refusal.
  const free = { ...headers, "idempotency-key": `${headers["idempotency-key"]}-2` };
  expectRefused(await post("/v1/embeddings", { input }, free), REVISION_1, REVISION_2, HEADER);
  expect(await charged()).toBe(cost);
  expect((await post("/v1/embeddings", { input }, { ...free, "x-require-revision": REVISION_2 })).status).toBe(200);
});

test("a line of a batch that requires another revision fails alone, and costs nothing", async () => {
  const lines = [
    embeddingLine("this", "a", { revision: REVISION_1 }),
    embeddingLine("other", "bb", { revision: REVISION_2 }),
    embeddingLine("any", "ccc"),
  ];
  const before = Number(await charged());
  const batch = await workThrough(api, account.key, await startBatch(api, account.key, lines));
  const output = await linesOf(api, account.key, batch.output_file_id);
  expect(output.map(({ custom_id: id }) => id)).toEqual(["this", "any"]);
  const errors = await linesOf(api, account.key, batch.error_file_id);
  expect(errors).toMatchObject([
    { custom_id: "other", response: { status_code: 409, body: { error: { code: "revision_changed" } } } },
  ]);
  expect(batch.usage.input_tokens).toBe(6);
  expect(Number(await charged()) - before).toBe(24);
  expect(backend.embeds.flatMap(({ texts }) => texts)).not.toContain("bb");
});
