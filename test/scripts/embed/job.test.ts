// npm run embed against a fake of the API: what it asks for, pays for and writes.

import { readFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FAKE_PRICE, FakeEmbeddingApi, fakeTokens, fakeVector } from "../../support/fake-embedding-api.ts";
import { TestJob, embedded, rowOf } from "./job.ts";

let api: FakeEmbeddingApi;
let job: TestJob;
beforeEach(async () => {
  api = new FakeEmbeddingApi();
  job = new TestJob(await api.start());
});
afterEach(() => {
  api.stop();
  job.remove();
});

const TEXTS = Array.from({ length: 50 }, (_, index) => `text ${index % 40} ${"word ".repeat((index % 40) % 7)}`);
const DISTINCT = [...new Set(TEXTS)];
const costOf = (texts: readonly string[]) => texts.reduce((sum, text) => sum + fakeTokens(text), 0) * FAKE_PRICE.batch;
/** Every distinct text of `texts` was charged once, and the fake's books say the same. */
function expectChargedOnce(texts: readonly string[]): void {
  expect(Object.fromEntries(api.charges)).toEqual(Object.fromEntries(texts.map((text) => [text, 1])));
  expect(api.chargedNanoUsd).toBe(costOf([...new Set(texts)]));
}
function expectVectors(texts: readonly string[]): void {
  const npy = job.npy();
  expect([npy.descr, npy.shape]).toEqual(["<f4", [texts.length, 16]]);
  for (const [row, text] of texts.entries()) expect(rowOf(npy, row)).toEqual(fakeVector(text));
}

describe("a corpus job", () => {
  test("writes a vector for each row in the corpus's order, and pays once for each distinct text", async () => {
    const corpus = job.corpus(TEXTS);
    const { code, said } = await job.run([corpus, "--yes"]);
    expect([code, said]).toEqual([0, expect.stringContaining("50 vectors of 16 dimensions")]);
    expectVectors(TEXTS);
    expect(job.npy().ids).toEqual(TEXTS.map((_, row) => row));
    expectChargedOnce(TEXTS);
    expect(said).toContain("50 rows, 40 distinct texts");
    expect(said).toContain("at the batch price");
  });

  test("quotes what it then costs, to the nano-dollar", async () => {
    const { said } = await job.run([job.corpus(TEXTS), "--yes"]);
    const quoted = /tokens \(all counted\): \$(0\.\d+)/.exec(said)?.[1];
    expect(Number(quoted) * 1e9).toBeCloseTo(api.chargedNanoUsd, 3);
    expect(costOf(DISTINCT)).toBe(api.chargedNanoUsd);
  });

  test("pays for what is new alone when the corpus changes, and nothing when it does not", async () => {
    await job.run([job.corpus(TEXTS), "--yes"]);
    const calls = embedded(api).length;
    const again = await job.run([job.corpus(TEXTS), "--yes"]);
    expect([again.code, embedded(api).length]).toEqual([0, calls]);
    const edited = ["a new first text", ...TEXTS.slice(5).toReversed()];
    const { code, said } = await job.run([job.corpus(edited), "--yes"]);
    expect([code, said]).toEqual([0, expect.stringContaining("To embed: 1 text,")]);
    expectVectors(edited);
    expectChargedOnce([...TEXTS, "a new first text"]);
  });

  test("sends each request under a key that its content makes, written down before", async () => {
    await job.run([job.corpus(TEXTS), "--yes"]);
    const keys = embedded(api).map(({ headers }) => headers["idempotency-key"]);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.every((key) => /^embed-[0-9a-f]{16}-[0-9a-f]{32}$/.test(String(key)))).toBe(true);
  });

  test("says what it is asked for: model, instruction, dimensions, tier, truncation", async () => {
    const query = ["--input-type", "search_query", "--instruction", "find", "--truncate", "end"];
    await job.run([job.corpus(TEXTS), "--yes", "--model", "fake/model", "--dimensions", "8", ...query]);
    expect(embedded(api)[0]?.body).toMatchObject({
      model: "fake/model",
      dimensions: 8,
      input_type: "query",
      instruction: "find",
      truncate: "end",
      encoding_format: "base64",
    });
    expect(embedded(api)[0]?.headers["x-tier"]).toBe("batch");
    expect(job.npy().shape).toEqual([50, 8]);
  });

  test.each([
    [{ "a/one": "live", "b/two": "coming_soon" }, "a/one"],
    [{ "a/one": "warming", "b/two": "coming_soon" }, "a/one"],
    [{ "a/one": "live", "b/two": "warming" }, "a/one"],
    [{ "a/rerank": "live", "b/two": "live" }, "b/two"],
    [{ "a/rerank": "live" }, undefined],
    [{ "a/one": "live", "b/two": "live" }, undefined],
    [{}, undefined],
  ])("of models %j takes the only one that is served, %s", async (models, model) => {
    api.models = models;
    const { code, said } = await job.run([job.corpus(["a text"]), "--yes"]);
    expect(embedded(api)[0]?.body["model"]).toBe(model);
    if (model === undefined) expect([code, said]).toEqual([1, expect.stringContaining("Name a model with --model")]);
  });

  test("a reranker is refused by name", async () => {
    api.models = { "a/rerank": "live" };
    const { code, said } = await job.run([job.corpus(["a text"]), "--yes", "--model", "a/rerank"]);
    expect([code, said]).toEqual([1, expect.stringContaining("a/rerank is a reranker")]);
  });

  test("asks on a terminal, and sends nothing without a yes", async () => {
    const corpus = job.corpus(TEXTS);
    const no = await job.run([corpus], () => false);
    expect([no.code, embedded(api).length, existsSync(job.out)]).toEqual([1, 0, false]);
    expect(no.said).toMatch(/Embed 40 texts for \$0\.\d+\? \[y\/N\]/);
    const nobody = await job.run([corpus]);
    expect([nobody.code, nobody.said]).toEqual([1, expect.stringContaining("--yes, or --max-cost")]);
    const dry = await job.run([corpus, "--dry-run"]);
    expect([dry.code, embedded(api).length, existsSync(job.out)]).toEqual([0, 0, false]);
    expect((await job.run([corpus], () => true)).code).toBe(0);
  });
});

describe("a job goes on", () => {
  test("after a 402, without paying twice", async () => {
    api.creditNanoUsd = Math.floor(costOf(DISTINCT) / 2);
    const args = [job.corpus(TEXTS), "--yes", "--concurrency", "1"];
    api.textsMax = 5;
    const first = await job.run(args);
    expect([first.code, first.said]).toEqual([
      1,
      expect.stringMatching(/insufficient_credit.*is mended[^]*are missing/),
    ]);
    api.creditNanoUsd = 1e9;
    expect((await job.run(args)).code).toBe(0);
    expectVectors(TEXTS);
    expectChargedOnce(TEXTS);
  });

  test("never past --max-cost, earlier runs included", async () => {
    const half = costOf(DISTINCT) / 2;
    const usd = (nano: number) => (nano / 1e9).toFixed(9);
    const corpus = job.corpus(TEXTS);
    const refused = await job.run([corpus, "--max-cost", usd(half)]);
    expect([refused.code, refused.said, api.chargedNanoUsd]).toEqual([
      1,
      expect.stringContaining("over --max-cost"),
      0,
    ]);
    api.textsMax = 5;
    for (let run = 0; run < 2; run += 1) {
      const { code, said } = await job.run([corpus, "--yes", "--max-cost", usd(half)]);
      expect([code, said]).toEqual([1, expect.stringContaining("is reached")]);
      expect(api.chargedNanoUsd).toBeLessThanOrEqual(half);
    }
    expect(api.chargedNanoUsd).toBeGreaterThan(0);
    expect((await job.run([corpus, "--max-cost", usd(costOf(DISTINCT))])).code).toBe(0);
    expectVectors(TEXTS);
    expectChargedOnce(TEXTS);
  });

  test("after Ctrl-C: what is on its way is kept, nothing more is sent", async () => {
    api.moment = (when) => void (when === "charged" && job.interrupt());
    api.textsMax = 5;
    const args = [job.corpus(TEXTS), "--yes", "--concurrency", "1"];
    const { code, said } = await job.run(args);
    expect([code, said]).toEqual([130, expect.stringContaining("Stopped. This run embedded 5 texts")]);
    api.moment = () => undefined;
    await job.run(args);
    expectVectors(TEXTS);
    expectChargedOnce(TEXTS);
  });

  test("over connections that break after the charge, 429 and 503: each text is paid once", async () => {
    api.textsMax = 8;
    api.fault = ({ path, turn }) => {
      if (path !== "/v1/embeddings") return undefined;
      if (turn % 3 === 0) return "drop";
      return turn % 4 === 0 ? { status: 429, code: "rate_limit_exceeded", retryAfterS: 7 } : undefined;
    };
    expect((await job.run([job.corpus(TEXTS), "--yes"])).code).toBe(0);
    expectVectors(TEXTS);
    expectChargedOnce(TEXTS);
    expect(job.slept.some((ms) => ms >= 7000 && ms < 8000)).toBe(true);
  });

  test("where the API is gone, it ends and says so, and what it sent is repeated as it was", async () => {
    api.fault = ({ path }) => (path === "/v1/embeddings" ? "drop" : undefined);
    const args = [job.corpus(TEXTS), "--yes"];
    const { code, said } = await job.run(args);
    expect([code, said]).toEqual([1, expect.stringContaining("in 30 tries")]);
    api.fault = () => undefined;
    // The corpus is cut meanwhile: the request was made of texts that are no longer there.
    expect((await job.run([job.corpus(TEXTS.slice(0, 3)), "--yes"])).code).toBe(0);
    expect((await job.run([job.corpus(TEXTS), "--yes"])).code).toBe(0);
    expectVectors(TEXTS);
    expectChargedOnce(TEXTS);
  });

  test("after its key was refused: what was charged before is asked for again under the next key", async () => {
    const args = [job.corpus(TEXTS), "--yes"];
    api.fault = ({ path }) => (path === "/v1/embeddings" ? "drop" : undefined);
    expect((await job.run(args)).code).toBe(1);
    api.fault = ({ path }) => (path === "/v1/embeddings" ? { status: 401, code: "expired_api_key" } : undefined);
    expect((await job.run(args)).said).toContain("expired_api_key");
    api.fault = () => undefined;
    expect((await job.run([job.corpus(["a new one", ...TEXTS]), "--yes"])).code).toBe(0);
    expectChargedOnce(["a new one", ...TEXTS]);
  });

  test("after more than a day: it says that the API has forgotten what got no answer, and may charge it again", async () => {
    api.fault = ({ path }) => (path === "/v1/embeddings" ? "drop" : undefined);
    const args = [job.corpus(TEXTS), "--yes"];
    await job.run(args);
    api.fault = () => undefined;
    api.forgetAnswers();
    job.nowMs += 25 * 3_600_000;
    const { code, said } = await job.run(args);
    expect([code, said]).toEqual([0, expect.stringContaining("over 24 hours: 1 request of an earlier run")]);
    expect(api.chargedNanoUsd).toBe(2 * costOf(DISTINCT));
    expectVectors(TEXTS);
  });

  test("without paying for texts that it was about to send and the corpus has no more", async () => {
    api.fault = ({ path }) => (path === "/v1/embeddings" ? { status: 402, code: "key_cap_reached" } : undefined);
    expect((await job.run([job.corpus(TEXTS), "--yes"])).code).toBe(1);
    api.fault = () => undefined;
    expect((await job.run([job.corpus(["another text"]), "--yes"])).code).toBe(0);
    expectChargedOnce(["another text"]);
  });

  test("under the account's limit for as long as it takes, as soon as the API says", async () => {
    api.fault = ({ path, turn }) =>
      path === "/v1/embeddings" && turn <= 100
        ? { status: 429, code: "rate_limit_exceeded", retryAfterS: 5 }
        : undefined;
    expect((await job.run([job.corpus(TEXTS), "--yes"])).code).toBe(0);
    expect(Math.max(...job.slept)).toBeLessThan(5600);
    expectChargedOnce(TEXTS);
  });

  test("when the file changed while it ran: it says so and writes nothing that does not fit", async () => {
    const corpus = job.corpus(TEXTS);
    api.moment = () => void job.corpus([...TEXTS, "late"]);
    const { code, said } = await job.run([corpus, "--yes"]);
    expect([code, said]).toEqual([1, expect.stringContaining("has changed since it was checked")]);
    api.moment = () => undefined;
    expect((await job.run([corpus, "--yes"])).code).toBe(0);
    expectVectors([...TEXTS, "late"]);
    expectChargedOnce([...TEXTS, "late"]);
  });

  test("not with another revision, length or type: it says which, and --restart begins anew", async () => {
    const corpus = job.corpus(TEXTS);
    await job.run([corpus, "--yes"]);
    const other = await job.run([corpus, "--yes", "--dimensions", "8"]);
    expect([other.code, other.said]).toEqual([1, expect.stringContaining("dimensions 16, now 8")]);
    api.revision = "revision-2";
    const { code, said } = await job.run([corpus, "--yes"]);
    expect([code, said]).toEqual([1, expect.stringMatching(/"revision-1", now "revision-2".*--restart/)]);
    expectChargedOnce(TEXTS);
    expect((await job.run([corpus, "--yes", "--restart", "--dimensions", "8"])).code).toBe(0);
    expect(job.npy().shape).toEqual([50, 8]);
    expect(api.charges.get(TEXTS[0] ?? "")).toBe(2);
  });

  test("not when the revision changes while it runs: what is done stays", async () => {
    api.textsMax = 5;
    api.moment = (when, turn) => void (when === "answered" && turn > 5 && (api.revision = "revision-2"));
    const { code, said } = await job.run([job.corpus(TEXTS), "--yes", "--concurrency", "1"]);
    expect([code, said]).toEqual([1, expect.stringMatching(/revision_changed.*the 15 vectors[^]*are missing/)]);
    expect(existsSync(join(job.out, "vectors.npy"))).toBe(false);
    // What came too late was refused, and not charged.
    expect([...api.charges.values()]).toEqual(Array.from({ length: 15 }, () => 1));
  });
});

describe("a text that no vector can be made of", () => {
  const LONG = "long ".repeat(40);
  const texts = [...TEXTS.slice(0, 9), LONG, ...TEXTS.slice(9, 20), LONG];

  test("is named by its row before anything is paid; --skip-bad lists it, --truncate cuts it", async () => {
    const corpus = job.corpus(texts);
    const refused = await job.run([corpus, "--yes"]);
    expect([refused.code, refused.said]).toEqual([
      1,
      expect.stringMatching(/corpus\.jsonl:10: it is longer than the model's context.*--truncate/),
    ]);
    expect(api.chargedNanoUsd).toBe(0);
    const skipped = await job.run([corpus, "--yes", "--skip-bad"]);
    expect([skipped.code, skipped.said]).toEqual([0, expect.stringContaining("Left out: 2 rows")]);
    expectVectors(texts.filter((text) => text !== LONG));
    expect(badRows()).toEqual([
      { line: 10, row: 9, id: 9, reason: expect.stringContaining("longer") },
      { line: 22, row: 21, id: 21, reason: expect.stringContaining("longer") },
    ]);
    expect((await job.run([corpus, "--yes", "--truncate", "start"])).code).toBe(0);
    expectVectors(texts);
    expect(existsSync(join(job.out, "bad-rows.jsonl"))).toBe(false);
    expect(Math.max(...api.charges.values())).toBe(1);
    expect((await job.run([corpus, "--yes", "--truncate", "end"])).said).toContain('truncate "start", now "end"');
  });

  test("that the API refuses only when it embeds leaves the others of its request alone", async () => {
    api.fault = ({ path, body }) => {
      const item = path === "/v1/embeddings" ? (body.input?.indexOf(TEXTS[3] ?? "") ?? -1) : -1;
      return item < 0 ? undefined : { status: 400, code: "invalid_token_id", param: `input[${item}]` };
    };
    const corpus = job.corpus(TEXTS.slice(0, 20));
    const refused = await job.run([corpus, "--yes"]);
    expect([refused.code, refused.said]).toEqual([
      1,
      expect.stringMatching(/corpus\.jsonl:4: refused: invalid_token_id/),
    ]);
    expect((await job.run([corpus, "--yes", "--skip-bad"])).code).toBe(0);
    expectVectors(TEXTS.slice(0, 20).toSpliced(3, 1));
    expect(job.npy().ids).not.toContain(3);
  });

  test("is not sent: bad rows are named by file and line, and end the job unless told otherwise", async () => {
    const good = job.corpus(TEXTS);
    const { code, said } = await job.run([good, "--yes", "--field", "body"]);
    expect([code, said]).toEqual([
      1,
      expect.stringContaining('corpus.jsonl:1: there is no field "body" (it has "text")'),
    ]);
    expect(said).toContain("and 40 more");
    expect(api.calls.filter(({ path }) => path === "/v1/tokenize")).toEqual([]);
  });
});

function badRows(): unknown[] {
  const lines = readFileSync(join(job.out, "bad-rows.jsonl"), "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as unknown);
}

describe("the command line", () => {
  test.each([
    [[], "Name the corpus"],
    [["a.jsonl", "b.jsonl"], "One corpus at a time"],
    [["a.jsonl", "--dtype", "int4"], '--dtype is "int4"; it may be float32, float16, int8, binary'],
    [["a.jsonl", "--max-cost", "ten"], '--max-cost is "ten"'],
    [["a.jsonl", "--model", "a/b:query"], "--input-type"],
    [["a.jsonl", "--dimnsions", "8"], "--dimnsions"],
  ])("of %j is refused with its usage", async (args, message) => {
    const { code, said } = await job.run(args);
    expect([code, said]).toEqual([2, expect.stringContaining(message)]);
    expect(said).toContain("Usage: npm run embed");
    expect(api.calls).toEqual([]);
  });

  test.each([
    ["-", "must be a file, not standard input"],
    ["missing.jsonl", 'There is no file "missing.jsonl"'],
  ])("that names %s says what would be right", async (corpus, message) => {
    const { code, said } = await job.run([corpus, "--yes"]);
    expect([code, said]).toEqual([1, expect.stringContaining(message)]);
  });
});
