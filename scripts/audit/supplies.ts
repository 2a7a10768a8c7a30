// What the audit's calls are made of, each counted beforehand by the API's own quote (POST /v1/tokenize, free): texts, and
// whole bodies of reranks.

import * as z from "zod";
import { Dice } from "./dice.ts";
import type { Prices } from "./history.ts";
import type { Surface } from "./surfaces.ts";
import type { Api } from "../embed/api.ts";
import { Refusal } from "../embed/api.ts";
import { checked, pricingSchema, readModel } from "../embed/service.ts";
import type { Tier } from "../../shared/wire.ts";

const TEXTS = 256;
const WORDS_MAX = 40;
/** Of these, those that are counted in two revisions. */
const MIGRATED = 32;
const RERANKS = 4;
const DOCUMENTS_MAX = 5;
const WORDS =
  "account balance bridge cloud engine forest garden harbour invoice ledger meadow nebula ocean price quarry river signal über naïve données 検索 数据 данные 🙂".split(
    " ",
  );

export interface CountedText {
  readonly text: string;
  readonly tokens: number;
  /** As a document, for forms that have to say what a text is. */
  readonly documentTokens: number;
}

export interface CountedRerank {
  readonly model: string;
  readonly query: string;
  readonly documents: readonly string[];
  /** One of the documents is at fault, and costs nothing. */
  readonly isPerItem: boolean;
  readonly tokens: number;
}

/** Two revisions that are served, and texts counted in both together. */
export interface CountedMigration {
  readonly from: string;
  readonly to: string;
  readonly texts: readonly { readonly text: string; readonly tokens: number }[];
}

export interface Supplies {
  readonly model: string;
  /** Native dimensions of its vectors. */
  readonly dimensions: number;
  readonly texts: readonly CountedText[];
  /** Empty: this key or service reranks nothing. */
  readonly reranks: readonly CountedRerank[];
  /** Undefined: only one revision is served. */
  readonly migration: CountedMigration | undefined;
  /** By model and tier. */
  readonly prices: ReadonlyMap<string, Readonly<Record<Tier, Prices>>>;
}

const countsSchema = z.object({ data: z.array(z.object({ count: z.int() })) });
const totalSchema = z.object({ total_tokens: z.int() });
const modelsSchema = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      status: z.string(),
      kind: z.nullable(z.string()).optional(),
      pricing: pricingSchema,
      revisions: z.array(z.object({ revision: z.string(), served: z.boolean() })).optional(),
    }),
  ),
});
type Listed = z.output<typeof modelsSchema>["data"];

/** Throws Stop or Refusal where nothing can be embedded. */
export async function readSupplies(
  api: Api,
  { model: named, seed, surfaces }: { model: string | undefined; seed: number; surfaces: readonly Surface[] },
): Promise<Supplies> {
  const needs = (...those: readonly Surface[]) => those.some((surface) => surfaces.includes(surface));
  const { id: model, native_dimensions: dimensions } = await readModel(api, named);
  const listed = await listModels(api);
  const texts = Array.from({ length: TEXTS }, (_, index) => textOf(seed, index));
  const counts = await countTexts(api, { model, input: texts });
  const asDocuments = needs("cohere") ? await countTexts(api, { model, input: texts, input_type: "document" }) : counts;
  const counted = texts.map((text, index) => ({
    text,
    tokens: counts[index] ?? 0,
    documentTokens: asDocuments[index] ?? 0,
  }));
  const rerankers = listed.filter(({ kind, status }) => kind === "reranker" && status === "live");
  const reranks: CountedRerank[] = [];
  const rankers = needs("rerank", "tei", "mcp", "batches") ? [model, ...rerankers.slice(0, 1).map(({ id }) => id)] : [];
  for (const id of rankers) {
    reranks.push(...(await countReranks(api, id, seed)));
  }
  const migration = needs("migrate") ? await countMigration(api, model, texts.slice(0, MIGRATED), listed) : undefined;
  return { model, dimensions, texts: counted, reranks, migration, prices: pricesOf(listed) };
}

async function countTexts(api: Api, body: object): Promise<readonly number[]> {
  const { json } = await api.call({ path: "/v1/tokenize", body: JSON.stringify(body) });
  return checked(api, countsSchema, json).data.map(({ count }) => count);
}

async function countMigration(
  api: Api,
  model: string,
  texts: readonly string[],
  listed: Listed,
): Promise<CountedMigration | undefined> {
  const { revisions = [] } = listed.find(({ id }) => id === model) ?? {};
  const [from, to] = revisions.filter(({ served }) => served).map(({ revision }) => revision);
  if (from === undefined || to === undefined) return undefined;
  const [before, after] = [
    await countTexts(api, { model, input: texts, revision: from }),
    await countTexts(api, { model, input: texts, revision: to }),
  ];
  return { from, to, texts: texts.map((text, at) => ({ text, tokens: (before[at] ?? 0) + (after[at] ?? 0) })) };
}

/** As they are now. */
export async function readPrices(api: Api): Promise<Supplies["prices"]> {
  return pricesOf(await listModels(api));
}

async function listModels(api: Api): Promise<Listed> {
  return checked(api, modelsSchema, (await api.call({ path: "/v1/models" })).json).data;
}

function pricesOf(listed: Listed): Supplies["prices"] {
  return new Map(
    listed.map(({ id, pricing }) => {
      const minimum = pricing.minimum_charge_nano_usd;
      const interactive = {
        miss: pricing.price_nano_usd_per_million_tokens,
        hit: pricing.hit_price_nano_usd_per_million_tokens,
        minimum,
      };
      const batch = {
        miss: pricing.batch_price_nano_usd_per_million_tokens,
        hit: pricing.batch_hit_price_nano_usd_per_million_tokens,
        minimum,
      };
      return [id, { interactive, batch }];
    }),
  );
}

async function countReranks(api: Api, model: string, seed: number): Promise<CountedRerank[]> {
  const reranks: CountedRerank[] = [];
  try {
    for (let number = 0; number < RERANKS; number += 1) {
      const dice = new Dice(seed, `rerank ${number}`);
      const documents = Array.from({ length: 1 + dice.below(DOCUMENTS_MAX) }, () => textOf(seed, dice.below(TEXTS)));
      const isPerItem = number % 2 === 1;
      const query = textOf(seed, dice.below(TEXTS));
      const all = isPerItem ? [...documents, ""] : documents;
      const body = { model, ...rerankBody({ query, documents: all, isPerItem }) };
      const { json } = await api.call({ path: "/v1/tokenize", body: JSON.stringify(body) });
      const { total_tokens: tokens } = checked(api, totalSchema, json);
      reranks.push({ model, query, documents: all, isPerItem, tokens });
    }
    return reranks;
  } catch (error) {
    if (error instanceof Refusal) return [];
    throw error;
  }
}

/** All but the model. */
export function rerankBody({ query, documents, isPerItem }: Pick<CountedRerank, "query" | "documents" | "isPerItem">) {
  return { query, documents, ...(isPerItem && { on_error: "per_item" }) };
}

function textOf(seed: number, index: number): string {
  const dice = new Dice(seed, `text ${index}`);
  const words = Array.from({ length: 1 + dice.below(WORDS_MAX) }, () => dice.oneOf(WORDS));
  return `${words.join(" ")} ${index}`;
}
