// What a corpus will cost before anything is sent: all of it counted, or a sample and a bound.

import { afterEach, beforeEach, expect, test } from "vitest";
import { Api } from "../../../scripts/embed/api.ts";
import { Pace } from "../../../scripts/embed/pace.ts";
import { quote } from "../../../scripts/embed/quote.ts";
import { openCorpus } from "../../../scripts/embed/rows/open-corpus.ts";
import { scan } from "../../../scripts/embed/scan.ts";
import { Bounds, readModel } from "../../../scripts/embed/service.ts";
import { TextTable } from "../../../scripts/embed/text-table.ts";
import { FakeEmbeddingApi, fakeTokens } from "../../support/fake-embedding-api.ts";
import { TestJob } from "./job.ts";

let fake: FakeEmbeddingApi;
let job: TestJob;
let url: string;
beforeEach(async () => {
  fake = new FakeEmbeddingApi();
  url = await fake.start();
  job = new TestJob(url);
});
afterEach(() => {
  fake.stop();
  job.remove();
});

async function quoted(texts: readonly string[], requestsMax: number) {
  const corpus = openCorpus(job.corpus(texts), { text: "text", id: undefined });
  const pace = new Pace(1);
  const clock = { now: () => 0, sleep: () => Promise.resolve() };
  const api = new Api(url, "key", { pace, clock, stop: new AbortController().signal, say: () => undefined });
  const table = new TextTable();
  const bounds = new Bounds(await readModel(api, undefined), {
    inputType: undefined,
    instruction: undefined,
    tier: "batch",
  });
  const refused: string[] = [];
  const scanned = await scan(corpus, table, bounds);
  const result = await quote({
    api,
    corpus,
    table,
    bounds,
    scan: scanned,
    truncates: false,
    fields: { model: "fake/model" },
    refuse: (row, reason) => void refused.push(`${row.line} ${reason}`),
    requestsMax,
  });
  return { result, refused };
}

const TEXTS = Array.from({ length: 2400 }, (_, index) => `${index} ${"word ".repeat(index % 5)}`);
const TOKENS = TEXTS.reduce((sum, text) => sum + fakeTokens(text), 0);

test("a corpus of a few requests is counted whole", async () => {
  const { result } = await quoted(TEXTS, 100);
  expect(result).toMatchObject({ kind: "whole", countedTexts: 2400, tokens: TOKENS, tokensMax: TOKENS, refused: 0 });
  expect(result.revision).toBe("revision-1");
});

test("a larger one by a sample, the same each time: estimated from it, and bounded", async () => {
  const { result } = await quoted(TEXTS, 0.5);
  expect(result.kind).toBe("sample");
  expect(result.countedTexts).toBeGreaterThan(300);
  expect(result.countedTexts).toBeLessThan(1500);
  expect(Math.abs(result.tokens / TOKENS - 1)).toBeLessThan(0.03);
  expect(result.tokensMax).toBeGreaterThan(TOKENS);
  expect((await quoted(TEXTS, 0.5)).result).toEqual(result);
});

test("every text that may be over the context is counted, also beside a sample", async () => {
  const long = "long ".repeat(40);
  const { result, refused } = await quoted([...TEXTS, long], 0.5);
  expect(result.refused).toBe(1);
  expect(refused).toEqual([expect.stringMatching(/^2401 it is longer than the model's context/)]);
});
