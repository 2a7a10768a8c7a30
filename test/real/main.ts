// npm run check:real [-- NAME…] [--cache DIR] [--python PATH] [--sts FILE.csv]
// Real checkpoints against sentence-transformers: equal token ids, 1 - cos <= 1e-6 (of 4-bit weights 1e-5, against float32 weights
// of the same values), and the same vector alone as in a batch, through `npm start`. make_models.py makes the folders; the
// weights stay in the cache folder. `--python`: one that has
// requirements.txt; else a virtual environment with it is made in the cache folder. `--sts`: the English test set of
// STS-B, columns sentence1, sentence2 and score: prints Spearman's correlation × 100, no prompt before a text.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { parse } from "csv-parse/sync";
import * as z from "zod";

import { distance } from "../gpu-backend/cosine.ts";
import { ServedModel } from "./served.ts";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const ENCODERS = ["all-minilm-l6-v2", "bge-small-en-v1.5", "bge-small-zh-v1.5", "e5-small-v2", "multilingual-e5-small"];
const DECODERS = ["smollm2-135m", "qwen2.5-coder-0.5b"];
/** A decoder's layouts in 4 bits; `NAME-gptq` is the decoder NAME in one of them. */
const LAYOUTS = ["gptq", "compressed-tensors"];
const MODELS = [...ENCODERS, ...DECODERS.flatMap((name) => [name, ...LAYOUTS.map((layout) => `${name}-${layout}`)])];
/** Float32 that holds exactly the values of the 4-bit layouts. */
const REFERENCE_WEIGHTS = "dequantised";
/** Rounding to float16 alone costs 2e-8. */
const DISTANCE_MAX = 1e-6;
const DISTANCE_MAX_4_BIT = 1e-5;
const CALL_TEXTS = 64;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    cache: { type: "string", default: join(homedir(), ".cache/gigarouter-real-models") },
    python: { type: "string" },
    sts: { type: "string" },
  },
});
const cache = resolve(values.cache);
const referenceSchema = z.object({
  texts: z.array(z.string()),
  ids: z.array(z.array(z.int())),
  vectors: z.array(z.string()),
  versions: z.record(z.string(), z.string()),
});
const pairSchema = z.object({ sentence1: z.string(), sentence2: z.string(), score: z.coerce.number() });

mkdirSync(cache, { recursive: true });
const python = values.python ?? pythonOf(join(cache, "venv"));
let faults = 0;
for (const name of positionals.length === 0 ? MODELS : positionals) faults += await checkModel(name);
process.exitCode = faults === 0 ? 0 : 1;

/** The model's folder, made where it is missing. `weights`: other than the model's own. */
function folderOf(name: string, weights: string | undefined): string {
  const dir = join(cache, "models", weights === undefined ? name : `${name}-${weights}`);
  const kind = weights === undefined ? [] : ["--weights", weights];
  if (!existsSync(dir)) makeModels(name, ...kind, "--out", dir, "--cache", join(cache, "packages"));
  return dir;
}

/** Its texts with ids and vectors of sentence-transformers, computed once. */
function referenceOf(name: string, weights: string | undefined): z.infer<typeof referenceSchema> {
  const path = join(cache, `${weights === undefined ? name : `${name}-${weights}`}.reference.json`);
  if (!existsSync(path)) makeModels("--check", folderOf(name, weights), "--into", path);
  return referenceSchema.parse(JSON.parse(readFileSync(path, "utf8")));
}

function makeModels(...args: readonly string[]): void {
  run(python, [join(HERE, "make_models.py"), ...args]);
}

/** Prints a line a check. Returns how many failed. */
async function checkModel(name: string): Promise<number> {
  const layout = LAYOUTS.find((known) => name.endsWith(`-${known}`));
  const published = layout === undefined ? name : name.slice(0, -layout.length - 1);
  const dir = folderOf(published, layout);
  const reference = referenceOf(published, layout === undefined ? undefined : REFERENCE_WEIGHTS);
  const data = mkdtempSync(join(tmpdir(), "check-real-"));
  const model = await ServedModel.start(dir, data);
  try {
    const failed = await compare(name, model, reference, layout === undefined ? DISTANCE_MAX : DISTANCE_MAX_4_BIT);
    if (values.sts !== undefined) await printSts(name, model, values.sts);
    return failed;
  } finally {
    await model.stop();
    rmSync(data, { recursive: true, force: true });
  }
}

async function compare(
  name: string,
  model: ServedModel,
  { texts, ids, vectors, versions }: z.infer<typeof referenceSchema>,
  distanceMax: number,
): Promise<number> {
  const ownIds = await model.tokenize(texts);
  const otherIds = texts.filter((_, at) => String(ownIds[at]) !== String(ids[at])).length;
  const together = await model.embed(texts);
  const alone: Float32Array[] = [];
  for (const text of texts) alone.push(...(await model.embed([text])));
  const distances = vectors.map((vector, at) => {
    const bytes = Uint8Array.from(Buffer.from(vector, "base64"));
    return distance(new Float32Array(bytes.buffer), together[at] ?? new Float32Array());
  });
  const otherBits = alone.filter((vector, at) => String(vector) !== String(together[at])).length;
  const checks: readonly (readonly [string, boolean])[] = [
    [`token ids differ in ${otherIds} of ${texts.length} texts`, otherIds === 0],
    [`1 - cos is at most ${Math.max(...distances).toExponential(1)}`, Math.max(...distances) <= distanceMax],
    [`alone and in a batch ${otherBits} of ${texts.length} vectors differ`, otherBits === 0],
  ];
  for (const [what, holds] of checks) say(`${holds ? "ok  " : "FAIL"} ${name}: ${what}`);
  say(`     (reference: sentence-transformers ${versions["sentence-transformers"]}, float32)`);
  return checks.filter(([, holds]) => !holds).length;
}

/** What is right is published, and not judged here. */
async function printSts(name: string, model: ServedModel, file: string): Promise<void> {
  const pairs = z.array(pairSchema).parse(parse(readFileSync(file), { columns: true }));
  const texts = [...new Set(pairs.flatMap(({ sentence1, sentence2 }) => [sentence1, sentence2]))];
  const known = new Map<string, Float32Array>();
  for (let at = 0; at < texts.length; at += CALL_TEXTS) {
    const some = texts.slice(at, at + CALL_TEXTS);
    for (const [index, vector] of (await model.embed(some)).entries()) known.set(some[index] ?? "", vector);
  }
  const vectorOf = (text: string): Float32Array => known.get(text) ?? new Float32Array();
  const cosines = pairs.map(({ sentence1, sentence2 }) => 1 - distance(vectorOf(sentence1), vectorOf(sentence2)));
  const correlation = pearson(ranks(cosines), ranks(pairs.map(({ score }) => score)));
  say(`     ${name}: Spearman × 100 over ${pairs.length} pairs: ${(100 * correlation).toFixed(2)}`);
}

/** Equal values have the mean of their ranks. */
function ranks(numbers: readonly number[]): readonly number[] {
  const sorted = numbers.toSorted((a, b) => a - b);
  const first = new Map<number, number>();
  const count = new Map<number, number>();
  for (const [rank, value] of sorted.entries()) {
    if (!first.has(value)) first.set(value, rank);
    count.set(value, (count.get(value) ?? 0) + 1);
  }
  return numbers.map((value) => (first.get(value) ?? 0) + ((count.get(value) ?? 1) - 1) / 2);
}

function pearson(left: readonly number[], right: readonly number[]): number {
  const mean = (numbers: readonly number[]): number => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
  const [a, b] = [mean(left), mean(right)];
  let [both, ofLeft, ofRight] = [0, 0, 0];
  for (const [index, value] of left.entries()) {
    const [x, y] = [value - a, (right[index] ?? 0) - b];
    both += x * y;
    ofLeft += x * x;
    ofRight += y * y;
  }
  return both / Math.sqrt(ofLeft * ofRight);
}

function pythonOf(venv: string): string {
  const own = join(venv, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  if (existsSync(own)) return own;
  run("python3", ["-m", "venv", venv]);
  run(own, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", join(HERE, "requirements.txt")]);
  return own;
}

function run(command: string, args: readonly string[]): void {
  const { status } = spawnSync(command, args, { stdio: ["ignore", "inherit", "inherit"] });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
