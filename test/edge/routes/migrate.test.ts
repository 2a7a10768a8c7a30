// POST /v1/migrate/report: two revisions compared on a customer's texts, held against a comparison made by other means; what
// it costs, and that nothing is charged for half of it.

import { beforeEach, describe, expect, test } from "vitest";
import { forgetServices } from "../../../edge/services.ts";
import { float16BitsToNumber, float32ToFloat16Bits } from "../../../shared/float16.ts";
import { Api } from "../support/api.ts";
import type { ApiAnswer } from "../support/api.ts";
import { DIMENSIONS, FakeBackend, MODEL, REVISION_1, REVISION_2 } from "../support/fake-backends.ts";

const OTHER = "https://other.test";
const REVISION_3 = "3".repeat(16);
const api = new Api({
  BACKENDS: JSON.stringify(["https://backend.test", OTHER].map((origin) => ({ model: MODEL, origin }))),
});
const other = new FakeBackend(OTHER);
api.backends.push(other);
let account: Awaited<ReturnType<Api["newAccount"]>>;

/** Spread over the sphere by the text, and moved a little by the revision. */
function vectorOf(text: string | number, revision: string): Uint16Array {
  let state = Array.from(String(text)).reduce(
    (sum, letter) => Math.imul(sum ^ letter.charCodeAt(0), 0x01000193),
    0x811c9dc5,
  );
  const values = Array.from({ length: DIMENSIONS }, (_, index) => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
    return (state >>> 8) / 2 ** 24 - 0.5 + (revision === REVISION_2 && index === 0 ? 0.3 : 0);
  });
  const norm = Math.hypot(...values);
  return float32ToFloat16Bits(Float32Array.from(values, (value) => value / norm));
}

beforeEach(async () => {
  forgetServices();
  for (const [backend, revision] of [
    [api.backend, REVISION_1],
    [other, REVISION_2],
  ] as const) {
    Object.assign(backend, { revision, vectorOf, behaviour: { kind: "well" }, status: "ready", prompts: undefined });
    backend.embeds.length = 0;
    backend.tokenizes.length = 0;
  }
  account = await api.newAccount();
});

const TEXTS = Array.from({ length: 25 }, (_, index) => `text ${index}`);

function report(body: object = {}, headers: Record<string, string> = {}): Promise<ApiAnswer> {
  const all = { model: MODEL, from: REVISION_1, to: REVISION_2, input: TEXTS, ...body };
  return api.call("/v1/migrate/report", { key: account.key, headers, body: all });
}

async function books(): Promise<unknown> {
  await api.settled();
  return (await api.admin(`/admin/accounts/${account.id}`)).body["charged_nano_usd"];
}

/** By matrices and ranks, not by lists of nearest ones. */
function comparedOtherwise(texts: readonly string[], k: number, dimensions = DIMENSIONS) {
  const [before, after] = [REVISION_1, REVISION_2].map((revision) =>
    texts.map((text) => [...vectorOf(text, revision).subarray(0, dimensions)].map(float16BitsToNumber)),
  ) as [number[][], number[][]];
  const cos = (a: number[], b: number[]) =>
    a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0) / (Math.hypot(...a) * Math.hypot(...b));
  const rank = (vectors: number[][], i: number, j: number) =>
    vectors.filter((v, at) => at !== i && cos(vectors[i] ?? [], v) > cos(vectors[i] ?? [], vectors[j] ?? [])).length;
  let [kept, nearest] = [0, 0];
  for (const i of texts.keys()) {
    for (const j of texts.keys()) {
      if (i === j) continue;
      if (rank(before, i, j) < k && rank(after, i, j) < k) kept += 1;
      if (rank(before, i, j) === 0 && rank(after, i, j) === 0) nearest += 1;
    }
  }
  const own = texts.map((_, i) => cos(before[i] ?? [], after[i] ?? [])).toSorted((a, b) => a - b);
  return { overlap: kept / (k * texts.length), nearest: nearest / texts.length, cosines: own };
}

describe("the report", () => {
  test.each([
    [10, undefined, DIMENSIONS],
    [1, 1, DIMENSIONS],
    [3, 3, 4],
  ])("of k = %i says what a comparison by ranks says", async (k, sent, dimensions) => {
    const { status, headers, body } = await report({ k: sent, dimensions });
    expect(status).toBe(200);
    const { overlap, nearest, cosines } = comparedOtherwise(TEXTS, k, dimensions);
    // The revisions differ, and are alike: neither figure is trivial.
    expect([overlap > 0.1, overlap < 0.99]).toEqual([true, true]);
    expect(body).toMatchObject({ from: REVISION_1, to: REVISION_2, texts: TEXTS.length, k });
    const { neighbours, cosine } = body as {
      neighbours: Record<"mean_overlap" | "same_nearest", number>;
      cosine: Record<"min" | "p5" | "median" | "mean", number>;
    };
    expect(neighbours.mean_overlap).toBeCloseTo(overlap, 12);
    expect(neighbours.same_nearest).toBeCloseTo(nearest, 12);
    expect(cosine.min).toBeCloseTo(cosines[0] ?? 2, 6);
    expect(cosine.p5).toBeCloseTo(cosines[1] ?? 2, 6);
    expect(cosine.median).toBeCloseTo(cosines[12] ?? 2, 6);
    expect(cosine.mean).toBeCloseTo(cosines.reduce((sum, one) => sum + one, 0) / cosines.length, 6);
    expect(headers.get("x-model-revision")).toBe(REVISION_1);
  });

  test("of two revisions that agree says 1, also of two texts", async () => {
    other.vectorOf = (text) => vectorOf(text, REVISION_1);
    const { body } = await report({ input: ["a", "b"] });
    expect(body).toMatchObject({ k: 1, neighbours: { mean_overlap: 1, same_nearest: 1 } });
    for (const value of Object.values(body["cosine"] as object)) expect(value).toBeCloseTo(1, 6);
  });

  test("costs what both embeddings calls cost, each time, and puts each revision's own prompt before a query", async () => {
    const own = { query: "find: ", document: "", plain: "", instruction: null };
    other.prompts = own;
    api.backend.prompts = { ...own, query: "search for this: " };
    const letters = TEXTS.join("").length + TEXTS.length;
    for (const times of [1, 2]) {
      const { body, headers } = await report({ input_type: "query" });
      expect(body["usage"]).toMatchObject({ prompt_tokens: 2 * letters, prompt_tokens_details: { cached_tokens: 0 } });
      expect(headers.get("x-cache")).toBe("miss");
      expect(await books()).toBe(times * 2 * letters * 8);
    }
    expect([api.backend, other].map(({ embeds }) => embeds.map(({ prefix }) => prefix))).toEqual([
      ["search for this: ", "search for this: "],
      ["find: ", "find: "],
    ]);
  });

  test("under an `Idempotency-Key` is the same again and charged once", async () => {
    const headers = { "idempotency-key": "once" };
    const first = await report({}, headers);
    const charged = await books();
    const second = await report({}, headers);
    expect(second.headers.get("x-idempotent-replayed")).toBe("true");
    expect([second.body, await books()]).toEqual([first.body, charged]);
  });
});

describe("nothing is charged", () => {
  test.each<[string, () => void]>([
    ["the second revision", () => (other.behaviour = { kind: "answers", status: 200, body: "garbage" })],
    ["the first revision", () => (api.backend.behaviour = { kind: "answers", status: 200, body: "garbage" })],
  ])("where %s fails", async (_, fail) => {
    await report();
    const before = await books();
    fail();
    expect((await report()).status).toBe(503);
    expect(await books()).toBe(before);
    // Nothing of the half that was computed is had for the price of a hit.
    api.backend.behaviour = { kind: "well" };
    const { headers } = await api.call("/v1/embeddings", {
      key: account.key,
      body: { model: MODEL, input: TEXTS, revision: REVISION_1 },
    });
    expect(headers.get("x-cache")).toBe("miss");
  });

  test.each<[string, object, number, string, string]>([
    [
      "an unserved `from`",
      { from: REVISION_3 },
      409,
      "revision_changed",
      `not served in revision ${REVISION_3}, but in`,
    ],
    ["an unserved `to`", { to: REVISION_3 }, 409, "revision_changed", `not served in revision ${REVISION_3}, but in`],
    ["one revision twice", { to: REVISION_1 }, 400, "invalid_value", "another revision than `from`"],
    ["no revision", { to: "latest" }, 400, "invalid_value", "16 to 64 lower-case hex digits"],
    ["no texts", { input: undefined }, 400, "missing_field", "an array of 2 to 256 strings"],
    ["one text", { input: ["a"] }, 400, "invalid_value", "Send two at least"],
    ["too many texts", { input: Array.from({ length: 257 }, String) }, 400, "too_many_inputs", "at most 256"],
    ["an empty text", { input: ["a", ""] }, 400, "empty_input", "input[1]"],
    ["more neighbours than texts", { k: 25 }, 400, "invalid_value", "at most 24 for 25 texts"],
    ["an unknown field", { neighbors: 3 }, 400, "unknown_field", "neighbors"],
    ["too many dimensions", { dimensions: 9 }, 400, "invalid_dimensions", "1 to 8"],
    ["an unknown model", { model: "owner/modle" }, 404, "model_not_found", MODEL],
  ])("for %s, and nothing is computed", async (_, body, status, code, said) => {
    const answer = await report(body);
    expect([answer.status, answer.body["error"]]).toMatchObject([status, { code }]);
    expect(answer.text).toContain(said);
    expect([api.backend.embeds.length + other.embeds.length, await books()]).toEqual([0, 0]);
  });

  test("for a text at fault, which is named once, or a header that requires a revision", async () => {
    other.faulty.set("text 7", { code: "context_length_exceeded", facts: { tokens: 9000, limit: 8192 } });
    const answer = await report();
    expect([answer.status, answer.body["error"]]).toMatchObject([400, { param: "input[7]" }]);
    other.faulty.clear();
    expect((await report({}, { "x-require-revision": REVISION_1 })).status).toBe(400);
    expect(await books()).toBe(0);
  });

  test("over `X-Max-Cost`, which both revisions count against", async () => {
    const letters = TEXTS.join("").length + TEXTS.length;
    const usd = (nano: number) => ({ "x-max-cost": (nano / 1e9).toFixed(9) });
    expect((await report({}, usd(letters * 8 * 2 - 1))).body["error"]).toMatchObject({ code: "max_cost_exceeded" });
    expect((await report({}, usd(letters * 8 * 2))).status).toBe(200);
  });
});
