// Real clients, unmodified, as docs/clients.md and other pages of docs/ show them, against `npm start`'s server: the vectors and scores that
// they hand over are those of a plain call. Python's run where CLIENTS_PYTHON names an interpreter that has them
// (scripts/test-clients.mjs makes one), Go's where CLIENTS_GO names Go.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Ended, NodeProgram } from "./programs.ts";
import { commandOf, npmVersion, pythonVersion, runProgram, runTogether } from "./programs.ts";
import type { Result } from "./snippets.ts";
import { must } from "../../shared/assert.ts";
import { programOf, readPage, readSnippets } from "./snippets.ts";
import type { DevServer } from "../../scripts/dev-server/dev-server.ts";
import { join, resolve } from "node:path";
import { call, removeFolder, startTestServer, temporaryFolder } from "../support/dev-server.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const QUESTION = "How do I reset my password?";
const RESET = "Open Settings, then Security, then Reset password.";
const OFFICE = "Our office in Bern is closed on Sundays.";
/** float32 on the way, and a cosine of float16 vectors. */
const TOLERANCE = 1e-4;

const RERANKER = "local/qwen3";
const MODELS = ["gpu-backend/demo-model", "test/vectors/rerankers/qwen3"];

const dataDir = temporaryFolder();
let server: DevServer;
let query: readonly number[];
let plainQuery: readonly number[];
let documents: readonly (readonly number[])[];

async function embed(input: readonly string[], fields: object = {}): Promise<readonly (readonly number[])[]> {
  const { body } = await call(server.url, server.apiKey, "/v1/embeddings", { model: server.model, input, ...fields });
  return (body["data"] as { embedding: number[] }[]).map(({ embedding }) => embedding);
}

beforeAll(async () => {
  server = await startTestServer(
    dataDir,
    {},
    undefined,
    MODELS.map((model) => join(ROOT, model)),
  );
  [query = []] = await embed([QUESTION], { input_type: "query" });
  [plainQuery = []] = await embed([QUESTION]);
  documents = await embed([RESET, OFFICE]);
});
afterAll(async () => {
  await server.stop();
  removeFolder(dataDir);
});

async function rerank(texts: readonly string[]): Promise<readonly (readonly [number, number])[]> {
  const body = { model: RERANKER, query: QUESTION, documents: texts };
  const answer = await call(server.url, server.apiKey, "/v1/rerank", body);
  const results = answer.body["results"] as { index: number; relevance_score: number }[];
  return results.map(({ index, relevance_score }) => [index, relevance_score]);
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);

/** Of `a`, and of `b` cut to the length of `a`. */
function cosine(a: readonly number[], b: readonly number[]): number {
  const cut = b.slice(0, a.length);
  return dot(a, cut) / Math.sqrt(dot(a, a) * dot(cut, cut));
}

function checkResult({ vectors, query: asked, results }: Result, dimensions = query.length): void {
  expect(vectors !== null || results !== null).toBe(true);
  for (const [index, vector] of (vectors ?? []).entries()) {
    expect(vector).toHaveLength(dimensions);
    expect(dot(vector, vector)).toBeCloseTo(1, 4);
    expect(cosine(vector, documents[index] ?? [])).toBeCloseTo(1, 4);
  }
  if (vectors !== null) expect(vectors).toHaveLength(2);
  if (asked !== null) {
    expect(asked).toHaveLength(dimensions);
    expect(cosine(asked, query)).toBeCloseTo(1, 4);
    // With the instruction, which a client says by the model's name or by a field: a plain text has another vector.
    expect(cosine(asked, plainQuery)).toBeLessThan(0.9999);
  }
  if (results === null) return;
  const scores = [documents[1] ?? [], documents[0] ?? []].map((vector) => Math.max(0, cosine(vector, query)));
  const expected = scores.map((score, index) => ({ index, score })).toSorted((a, b) => b.score - a.score);
  expect(results.map(([index]) => index)).toEqual(expected.map(({ index }) => index));
  for (const [place, [, score]] of results.entries()) {
    expect(Math.abs(score - (expected[place]?.score ?? 0))).toBeLessThan(TOLERANCE);
  }
}

/** Scores of a reranker do not depend on one another: alone each document has the same. */
async function checkFound({ candidates, found }: Result): Promise<void> {
  expect(new Set(candidates)).toHaveProperty("size", 100);
  expect(candidates?.[0]).toBe(0);
  const scores = found?.map(([, score]) => score) ?? [];
  expect(scores).toHaveLength(10);
  expect(scores).toEqual(scores.toSorted((a, b) => b - a));
  for (const [index, score] of found ?? []) {
    expect(candidates).toContain(index);
    const text = [RESET, OFFICE][index] ?? `Invoice ${index} was paid on time.`;
    expect(await rerank([text])).toEqual([[0, score]]);
  }
}

const runs = readSnippets().flatMap((snippet) =>
  snippet.as.map((as) => {
    const [alias = snippet.name.split(",")[0] ?? ""] = Object.values(as);
    const version = snippet.runtime === "python" ? pythonVersion(snippet.package ?? "") : npmVersion(alias);
    // What fails ends its process; the others of the same packages share one.
    const isAlone = snippet.runtime !== "node" || snippet.fails !== undefined;
    const group = isAlone ? undefined : `${version && alias} ${Object.values(as).join(" ")}`;
    return { title: `${snippet.name} ${version} (${snippet.runtime})`, snippet, as, group };
  }),
);
type Run = (typeof runs)[number];
/** In `npm test` Node's; in `npm run test:clients` all, and what needs Go is skipped by its name where Go is not. */
const here = runs.filter(({ snippet }) => snippet.runtime === "node" || commandOf("python") !== undefined);

const groups = new Map<string, Promise<readonly Ended[]>>();

const programFor = ({ title, snippet, as }: Run, model: string): NodeProgram => ({
  name: `${title} with ${model}`,
  code: programOf(snippet, as, { ...server, reranker: RERANKER }, model),
});

/** How the run's program ends, in the process that it shares with its group. */
async function endOf(run: Run, model = server.model): Promise<Ended> {
  const own = programFor(run, model);
  if (run.group === undefined) return runProgram(own.name, run.snippet.runtime, own.code);
  const members = here
    .filter(({ group }) => group === run.group)
    .flatMap((one) => [server.model, ...(one.snippet.reranks ? [RERANKER] : [])].map((of) => programFor(one, of)));
  const ended = groups.get(run.group) ?? runTogether(members);
  groups.set(run.group, ended);
  return must((await ended)[members.findIndex(({ name }) => name === own.name)], own.name);
}

describe("the pages of docs/", () => {
  test("has a version behind every client but plain HTTP", () => {
    const without = runs.filter(({ title }) => !/\d+\.\d+/.test(title)).map(({ snippet }) => snippet.name);
    expect(without).toEqual(["Jina's HTTP call", "lines", "lines in Go", "Retrieve, then rerank", "A threshold"]);
  });

  test("names the versions that are installed, and no others", () => {
    const named = [...readPage("clients").matchAll(/^\| .*\|(.*)\|.*\|$/gm)].flatMap(([, tried = ""]) =>
      [...tried.matchAll(/([@\w/-]+) (\d[\d.]+)/g)].map(([, name, version]) => `${name} ${version}`),
    );
    const used = runs.flatMap(({ snippet, as }) =>
      snippet.runtime === "python"
        ? [`${snippet.package} ${pythonVersion(snippet.package ?? "")}`]
        : [...Object.values(as), snippet.name.split(",")[0] ?? ""]
            .filter((name) => npmVersion(name) !== "")
            .map((name) => `${name} ${npmVersion(name)}`),
    );
    expect(new Set(named)).toEqual(new Set(used));
  });

  test.for(here)("$title", async (run, { skip }) => {
    const { snippet } = run;
    skip(commandOf(snippet.runtime) === undefined, `${snippet.runtime} is not on this machine`);
    const ended = await endOf(run);
    if (snippet.fails === undefined) {
      expect(ended.exitCode, ended.output).toBe(0);
      if (snippet.asserts) return;
      if (ended.result === undefined) throw new Error(`nothing was handed over: ${ended.output}`);
      if (ended.result.found === null) checkResult(ended.result, snippet.dimensions);
      else await checkFound(ended.result);
    } else {
      expect(ended.exitCode).not.toBe(0);
      for (const words of snippet.fails) expect(ended.output).toContain(words);
    }
    expect(ended.output).not.toContain(server.apiKey);
  });

  test.each(here.filter(({ snippet }) => snippet.reranks))("$title with a reranker", async (run) => {
    const ended = await endOf(run, RERANKER);
    expect(ended.exitCode, ended.output).toBe(0);
    expect(ended.result?.results).toEqual(await rerank([OFFICE, RESET]));
  });
});
