import { beforeAll, expect, test } from "vitest";
import { dotProduct, cutVector } from "../../../shared/vectors.ts";
import { Api } from "../support/api.ts";
import { MODEL, REVISION_1, vectorOf } from "../support/fake-backends.ts";

const api = new Api();
let key: string;

beforeAll(async () => {
  ({ key } = await api.newAccount());
});

const similarity = (body: object) => api.call("/v1/similarity", { key, body: { model: MODEL, ...body } });

function cosine(a: string, b: string, dimensions = 8): number {
  return dotProduct(cutVector(vectorOf(a, REVISION_1), dimensions), cutVector(vectorOf(b, REVISION_1), dimensions));
}

test("pairs have the cosine of their embeddings, in order", async () => {
  const pairs = [
    ["a cat", "a dog"],
    ["x", "x"],
  ];
  const { status, body } = await similarity({ pairs });
  expect(status).toBe(200);
  const data = body["data"] as { index: number; similarity: number }[];
  expect(data.map(({ index }) => index)).toEqual([0, 1]);
  expect(data[0]?.similarity).toBeCloseTo(cosine("a cat", "a dog"), 12);
  expect(data[1]?.similarity).toBe(1);
  expect(body).toMatchObject({ object: "list", model: MODEL, usage: { prompt_tokens: 6 + 6 + 2 + 2 } });
});

test("one source is compared with each of its targets", async () => {
  const { body } = await similarity({ source: "s", targets: ["t", "s", "long target"] });
  const data = body["data"] as { similarity: number }[];
  expect(data.map((item) => item.similarity)).toEqual(
    ["t", "s", "long target"].map((target) => expect.closeTo(cosine("s", target), 7) as number),
  );
});

test("the model's suffix cuts the vectors first", async () => {
  const { body } = await similarity({ model: `${MODEL}@2`, pairs: [["one", "other"]] });
  expect((body["data"] as { similarity: number }[])[0]?.similarity).toBeCloseTo(cosine("one", "other", 2), 12);
});

test.each<[string, string, object]>([
  ["missing_field", "pairs", {}],
  ["incompatible_options", "pairs", { pairs: [["a", "b"]], source: "a" }],
  ["missing_field", "targets", { source: "a" }],
  ["missing_field", "source", { targets: ["a"] }],
  ["empty_input", "pairs", { pairs: [] }],
  ["invalid_type", "pairs[0]", { pairs: [["a"]] }],
  ["invalid_type", "pairs[0]", { pairs: [["a", "b", "c"]] }],
  ["empty_input", "pairs[0][1]", { pairs: [["a", ""]] }],
  ["too_many_inputs", "pairs", { pairs: Array.from({ length: 1025 }, () => ["a", "b"]) }],
  ["invalid_type", "targets[1]", { source: "a", targets: ["b", 5] }],
  ["unknown_field", "target", { source: "a", target: ["b"] }],
])("refuses %s of `%s`", async (code, param, body) => {
  const answer = await similarity(body);
  expect(answer.status).toBe(400);
  expect(answer.body["error"]).toMatchObject({ code, param });
});
