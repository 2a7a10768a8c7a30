// What the audit's calls are made of, each counted beforehand by the API's own quote (POST /v1/tokenize, free): texts, and
// whole bodies of reranks.

import * as z from "zod";
import { Dice } from "./dice.ts";
import type { Prices } from "./history.ts";
import type { Api } from "../embed/api.ts";
import { Refusal } from "../embed/api.ts";
import { checked, pricingSchema, readModel } from "../embed/service.ts";
import type { Tier } from "../../shared/wire.ts";

const TEXTS = 256;
const WORDS_MAX = 40;
const RERANKS = 4;
const DOCUMENTS_MAX = 5;
const WORDS =
  "account balance bridge cloud engine forest garden harbour invoice ledger meadow nebula ocean price quarry river signal über naïve données 検索 数据 данные 🙂".split(
    " ",
  );

export interface CountedText {
  readonly text: string;
  readonly tokens: number;
}

export interface CountedRerank {
  readonly model: string;
  readonly body: object;
  readonly documents: number;
  readonly tokens: number;
}

export interface Supplies {
  readonly model: string;
  readonly texts: readonly CountedText[];
  /** Empty: this key or service reranks nothing. */
  readonly reranks: readonly CountedRerank[];
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
    }),
  ),
});

/** Throws Stop or Refusal where nothing can be embedded. */
export async function readSupplies(api: Api, named: string | undefined, seed: number): Promise<Supplies> {
  const { id: model } = await readModel(api, named);
  const listed = await listModels(api);
  const texts = Array.from({ length: TEXTS }, (_, index) => textOf(seed, index));
  const { json } = await api.call({ path: "/v1/tokenize", body: JSON.stringify({ model, input: texts }) });
  const { data } = checked(api, countsSchema, json);
  const counted = data.map(({ count }, index) => ({ text: texts[index] ?? "", tokens: count }));
  const rerankers = listed.filter(({ kind, status }) => kind === "reranker" && status === "live");
  const reranks: CountedRerank[] = [];
  for (const id of [model, ...rerankers.slice(0, 1).map((reranker) => reranker.id)]) {
    reranks.push(...(await countReranks(api, id, seed)));
  }
  return { model, texts: counted, reranks, prices: pricesOf(listed) };
}

/** As they are now. */
export async function readPrices(api: Api): Promise<Supplies["prices"]> {
  return pricesOf(await listModels(api));
}

async function listModels(api: Api) {
  return checked(api, modelsSchema, (await api.call({ path: "/v1/models" })).json).data;
}

function pricesOf(listed: z.output<typeof modelsSchema>["data"]): Supplies["prices"] {
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
      const body = {
        model,
        query: textOf(seed, dice.below(TEXTS)),
        // One of them is at fault, and costs nothing.
        documents: isPerItem ? [...documents, ""] : documents,
        ...(isPerItem && { on_error: "per_item" }),
      };
      const { json } = await api.call({ path: "/v1/tokenize", body: JSON.stringify(body) });
      const { total_tokens: tokens } = checked(api, totalSchema, json);
      reranks.push({ model, body, documents: documents.length, tokens });
    }
    return reranks;
  } catch (error) {
    if (error instanceof Refusal) return [];
    throw error;
  }
}

function textOf(seed: number, index: number): string {
  const dice = new Dice(seed, `text ${index}`);
  const words = Array.from({ length: 1 + dice.below(WORDS_MAX) }, () => dice.oneOf(WORDS));
  return `${words.join(" ")} ${index}`;
}
