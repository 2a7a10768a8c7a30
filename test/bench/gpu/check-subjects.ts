// What check:gpu compares: texts of checkpoints, and float32 vectors that each must have. For the demo and the layouts they are
// transformers' (test/vectors); for other texts, and for a checkpoint of the caller's, the CPU's exact graph computes them.

import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import * as z from "zod";

import { CALIBRATION_TEXTS } from "../../../gpu-backend/choice/calibration-texts.ts";
import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { DEFAULT_BUDGETS } from "../../../gpu-backend/engine/batch-budget.ts";
import { GraphSession } from "../../../gpu-backend/engine/graph-session.ts";
import { LongText } from "../../../gpu-backend/engine/long-text.ts";
import { OVERFLOW_TEXTS } from "../../../gpu-backend/engine/overflow-probe.ts";
import { processorsAllowed } from "../../../gpu-backend/processors.ts";
import { loadTokenizer } from "../../../gpu-backend/tokenizer/library.ts";
import { tokenizeText } from "../../../gpu-backend/tokenizer/text-tokenizer.ts";
import { textsOf } from "./mixes.ts";

const ROOT = join(import.meta.dirname, "../../..");
export const DEMO_DIR = join(ROOT, "gpu-backend/demo-model");
const VECTORS = join(ROOT, "test/vectors");
const LENGTHS = [1, 2, 16, 17, 127, 128, 129, 512, 1_024, 2_048, 4_096, 8_192, 16_384, 32_768];
/** What a card takes. */
export const TOKENS_MAX = 32_768;
/** The CPU takes minutes for longer texts of a large checkpoint. */
const OWN_TOKENS_MAX = 2_048;

export interface Subject {
  readonly name: string;
  /** The checkpoint's folder. */
  readonly dir: string;
  /** Token ids. */
  readonly texts: readonly (readonly number[])[];
  /** float32, full length; who computed them. */
  readonly vectors: readonly (readonly number[])[];
  readonly reference: "transformers float32" | "the CPU's exact graph";
}

const demoSchema = z.object({
  items: z.array(z.object({ ids: z.array(z.int()), embedding: z.array(z.number()) })),
});
const layoutSchema = z.object({ texts: z.array(z.array(z.int())), embeddings: z.array(z.array(z.number())) });

export interface SubjectOptions {
  /** A folder for compiled files and copies. */
  readonly work: string;
  /** A checkpoint of the caller's. */
  readonly own: string | undefined;
  /** Tokens of the longest text. */
  readonly tokensMax: number;
  /** Names; absent: all. */
  readonly only: readonly string[] | undefined;
}

/** Throws where a name of `only` is none. */
export async function makeSubjects({ work, own, tokensMax, only }: SubjectOptions): Promise<readonly Subject[]> {
  const { items } = demoSchema.parse(JSON.parse(readFileSync(join(VECTORS, "demo-reference.json"), "utf8")));
  const fitting = items.filter(({ ids }) => ids.length <= tokensMax);
  const demo: Subject = {
    name: "demo",
    dir: DEMO_DIR,
    texts: fitting.map(({ ids }) => ids),
    vectors: fitting.map(({ embedding }) => embedding),
    reference: "transformers float32",
  };
  const layouts = readdirSync(join(VECTORS, "checkpoints")).map((name): [string, () => Subject] => [
    `layout ${name}`,
    () => layoutSubject(name, work),
  ]);
  const exact = (name: string, dir: string, of: TextsOf): [string, () => Promise<Subject>] => [
    name,
    () => exactSubject(name, dir, work, of),
  ];
  const made: readonly [string, () => Subject | Promise<Subject>][] = [
    ["demo", () => demo],
    ...layouts,
    exact("demo, hard texts", DEMO_DIR, hardTexts(DEMO_DIR, tokensMax)),
    exact("demo, by length", demoWithLongContext(work), ofLength(tokensMax)),
    ...(own === undefined
      ? []
      : [
          exact("own, hard texts", own, hardTexts(own, tokensMax)),
          exact("own, by length", own, ofLength(OWN_TOKENS_MAX)),
        ]),
  ];
  const names = made.map(([name]) => name);
  const unknown = only?.filter((name) => !names.includes(name)) ?? [];
  if (unknown.length > 0) throw new Error(`--only has "${unknown.join('", "')}"; it can be "${names.join('", "')}".`);
  const subjects: Subject[] = [];
  for (const [name, make] of made) if (only?.includes(name) ?? true) subjects.push(await make());
  return subjects;
}

function layoutSubject(name: string, work: string): Subject {
  const dir = join(work, name);
  cpSync(join(VECTORS, "checkpoints", name), dir, { recursive: true });
  const { texts, embeddings } = layoutSchema.parse(JSON.parse(readFileSync(join(dir, "expected.json"), "utf8")));
  return { name: `layout ${name}`, dir, texts, vectors: embeddings, reference: "transformers float32" };
}

/** Positions beyond those it was trained for: what they mean matters not, both sides compute the same. */
function demoWithLongContext(work: string): string {
  const dir = join(work, "demo-long");
  mkdirSync(dir);
  cpSync(DEMO_DIR, dir, { recursive: true, filter: (path) => !path.endsWith(".compiled") });
  const path = join(dir, "config.json");
  const config: unknown = JSON.parse(readFileSync(path, "utf8"));
  writeFileSync(path, JSON.stringify({ ...(config as object), max_position_embeddings: 32_768 }));
  return dir;
}

type Limits = { readonly endTokenId: number; readonly vocabSize: number; readonly maxTokens: number };
type TextsOf = (limits: Limits) => Promise<readonly Int32Array[]>;

const hardTexts =
  (dir: string, tokensMax: number): TextsOf =>
  async ({ endTokenId, vocabSize, maxTokens }) => {
    const library = await loadTokenizer(dir, endTokenId, vocabSize);
    const limits = { maxTokens: Math.min(maxTokens, OWN_TOKENS_MAX, tokensMax), vocabSize };
    const texts: Int32Array[] = [];
    for (const text of [...OVERFLOW_TEXTS, ...CALIBRATION_TEXTS]) {
      const result = await tokenizeText(library, limits, "", text, "end");
      if (result.kind === "ids") texts.push(result.ids);
    }
    return texts;
  };

const ofLength =
  (tokensMax: number): TextsOf =>
  async ({ vocabSize }) => {
    const lengths = LENGTHS.filter((length) => length <= tokensMax);
    return textsOf(lengths, vocabSize);
  };

async function exactSubject(name: string, dir: string, work: string, of: TextsOf): Promise<Subject> {
  const model = await compileCheckpoint(dir, { target: "cpu", precision: "exact", cacheDir: work });
  const { graphPath, config } = model;
  const options = { graphPath, target: "cpu", cudaWeights: "as-is", threads: processorsAllowed() } as const;
  const texts = (await of(config)).filter((ids) => ids.length <= config.maxTokens);
  const session = await GraphSession.open(options);
  const vectors: number[][] = [];
  for (const ids of texts) {
    if (ids.length <= DEFAULT_BUDGETS.cpu.maxTokens) vectors.push([...(await session.run([ids]))]);
    else {
      const text = new LongText(ids, options, config);
      let vector: Float32Array | undefined;
      while (vector === undefined) vector = await text.step();
      vectors.push([...vector]);
    }
  }
  await session.close();
  return { name, dir, texts: texts.map((ids) => [...ids]), vectors, reference: "the CPU's exact graph" };
}
