// Two revisions of a model side by side: what the operator says of them, what buyers see, and which one a call gets.

import { beforeEach, describe, expect, test } from "vitest";
import { forgetServices } from "../../../edge/services.ts";
import { Api } from "../support/api.ts";
import { FakeBackend, MODEL, REVISION_1, REVISION_2 } from "../support/fake-backends.ts";

const OTHER = "https://other.test";
const REVISION_3 = "3".repeat(16);
const UNTIL = 1_900_000_000;
const BACKENDS = JSON.stringify(["https://backend.test", OTHER].map((origin) => ({ model: MODEL, origin })));
const api = new Api({ BACKENDS });
const other = new FakeBackend(OTHER);
api.backends.push(other);
let key: string;

beforeEach(async () => {
  forgetServices();
  api.backend.revision = REVISION_1;
  other.revision = REVISION_2;
  key ??= (await api.newAccount()).key;
  for (const revision of [REVISION_1, REVISION_2]) {
    expect((await put(revision, { supported_until: null, superseded_by: null })).status).toBe(200);
  }
});

const put = (revision: string, body: object) => api.admin(`/admin/models/${MODEL}/revisions/${revision}`, body, "PUT");
const embed = (body: object = {}) => api.call("/v1/embeddings", { key, body: { model: MODEL, input: "a", ...body } });
const model = async () => (await api.call(`/v1/models/${MODEL}`)).body;

test("a model of two backends is listed once, and its bare name is its own", async () => {
  const { body } = await api.call("/v1/models");
  const listed = body["data"] as readonly { id: string }[];
  expect(listed.filter(({ id }) => id === MODEL)).toHaveLength(1);
  expect((await api.call("/v1/models/model")).body["id"]).toBe(MODEL);
});

describe("PUT /admin/models/…/revisions/…", () => {
  test("says how long and what next; /v1/models shows it, and a price set later leaves it", async () => {
    const answer = await put(REVISION_1, { supported_until: UNTIL, superseded_by: REVISION_2 });
    const shown = [
      { revision: REVISION_1, served: true, supported_until: UNTIL, superseded_by: REVISION_2 },
      { revision: REVISION_2, served: true, supported_until: null, superseded_by: null },
    ];
    expect(answer.body).toMatchObject({ operator_status: "live", revisions: expect.arrayContaining(shown) as unknown });
    await api.admin(`/admin/models/${MODEL}`, { status: "live" }, "PUT");
    expect((await put(REVISION_1, { supported_until: UNTIL + 1 })).status).toBe(200);
    forgetServices();
    expect((await model())["revisions"]).toHaveLength(2);
    expect((await model())["revisions"]).toContainEqual({ ...shown[0], supported_until: UNTIL + 1 });
    other.status = undefined;
    forgetServices();
    expect((await model())["revisions"]).toEqual([{ ...shown[0], supported_until: UNTIL + 1 }]);
    other.status = "ready";
    const { data } = (await api.admin("/admin/audit")).body as { data: { action: string; facts: object }[] };
    expect(data[0]).toMatchObject({ action: "model.revision.put", facts: { revision: REVISION_1 } });
  });

  test.each<[string, string, object, string]>([
    ["a revision that nobody has", REVISION_3, { supported_until: UNTIL }, `one of ${REVISION_1}`],
    ["no revision", "latest", { supported_until: UNTIL }, "16 to 64 lower-case hex digits"],
    ["a successor that nobody has", REVISION_1, { superseded_by: REVISION_3 }, "`superseded_by` must be one of"],
    ["itself as successor", REVISION_1, { superseded_by: REVISION_1 }, "lead back to this one"],
    ["a time in milliseconds", REVISION_1, { supported_until: UNTIL * 1000 }, "an integer from 0 to 4102444800"],
    ["another field", REVISION_1, { until: 1 }, "Unknown field `until`"],
  ])("refuses %s, and says what would be right", async (_, revision, body, said) => {
    const answer = await put(revision, body);
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining(said)]);
    expect((await model())["revisions"]).not.toContainEqual(expect.objectContaining({ supported_until: UNTIL }));
  });

  test("refuses a successor that leads back", async () => {
    await put(REVISION_1, { superseded_by: REVISION_2 });
    expect((await put(REVISION_2, { superseded_by: REVISION_1 })).text).toContain("lead back");
  });

  test("is the operator's alone, and of a model that is there", async () => {
    const path = `/admin/models/${MODEL}/revisions/${REVISION_1}`;
    expect((await api.call(path, { method: "PUT", key, body: {} })).status).toBe(401);
    expect((await api.admin(`/admin/models/no/model/revisions/${REVISION_1}`, {}, "PUT")).status).toBe(404);
    const encoded = `/admin/models/${encodeURIComponent(MODEL)}/revisions/${REVISION_1}`;
    expect((await api.admin(encoded, { supported_until: UNTIL }, "PUT")).status).toBe(200);
  });
});

describe("a call while two revisions are served", () => {
  test.each([
    [REVISION_1, REVISION_2],
    [REVISION_2, REVISION_1],
  ])("is not answered in %s, which is superseded, unless it requires it", async (old, current) => {
    await put(old, { superseded_by: current });
    for (let isolate = 0; isolate < 4; isolate += 1) {
      forgetServices();
      // The isolate knows the operator's word once it has read the directory.
      expect((await model())["revision"]).toBe(current);
      expect((await embed()).headers.get("x-model-revision")).toBe(current);
      expect((await embed({ revision: old })).headers.get("x-model-revision")).toBe(old);
    }
  });

  test("is answered in the superseded one where no other is served", async () => {
    await put(REVISION_1, { superseded_by: REVISION_2 });
    other.status = undefined;
    forgetServices();
    expect((await embed()).headers.get("x-model-revision")).toBe(REVISION_1);
    other.status = "ready";
  });
});

describe("a call that requires a revision", () => {
  const prompts = (query: string) => ({ query, document: `${query}(document) `, plain: "", instruction: null });
  const ways: readonly (readonly [string, (revision: string) => readonly [object, Record<string, string>]])[] = [
    ["field", (revision) => [{ revision }, {}]],
    ["header", (revision) => [{}, { "x-require-revision": revision }]],
  ];

  test.each(ways)(
    "by %s gets that revision's own prompts before its texts, whichever is the newest",
    async (name, way) => {
      await put(REVISION_1, { superseded_by: REVISION_2 });
      const [one, two] = [api.backend, other];
      one.prompts = prompts("one: ");
      two.prompts = prompts("two: ");
      forgetServices();
      await model();
      for (const [backend, query] of [
        [one, "one: "],
        [two, "two: "],
      ] as const) {
        const [fields, headers] = way(backend.revision);
        const call = (path: string, body: object) =>
          api.call(path, { key, headers, body: { model: MODEL, ...fields, ...body } });
        const texts = { input: `text ${query} by ${name}`, input_type: "query" };
        expect((await call("/v1/embeddings", texts)).status).toBe(200);
        expect(backend.embeds.at(-1)?.prefix).toBe(query);
        expect((await call("/v1/tokenize", texts)).status).toBe(200);
        expect(backend.tokenizes.at(-1)?.prefix).toBe(query);
        expect((await call("/v1/rerank", { query: name, documents: [`d ${name}`] })).status).toBe(200);
        expect(backend.embeds.at(-1)?.texts).toEqual([`${query}${name}`, `${query}(document) d ${name}`]);
        const pair = { model: `${MODEL}:query`, pairs: [[`a ${name}`, `b ${name}`]] };
        expect((await call("/v1/similarity", pair)).status).toBe(200);
        expect(backend.embeds.at(-1)?.prefix).toBe(query);
      }
      one.prompts = undefined;
      two.prompts = undefined;
    },
  );
});
