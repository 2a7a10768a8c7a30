// What a job reads from the API first: the model with its prices and sizes, and what the account may spend.

import * as z from "zod";
import type { Api } from "./api.ts";
import { Stop } from "./stop.ts";
import { promptFor } from "../../edge/embedding/prompts.ts";
import { costNanoUsd } from "../../shared/money.ts";
import type { NanoUsd } from "../../shared/money.ts";
import type { InputType } from "../../shared/schemas/input-type.ts";
import { prefixBound, tokenBound } from "../../shared/token-bound.ts";
import type { Tier } from "../../shared/wire.ts";

/** What /v1/models says of a model's prices. */
export const pricingSchema = z.object({
  price_nano_usd_per_million_tokens: z.int(),
  hit_price_nano_usd_per_million_tokens: z.int(),
  batch_price_nano_usd_per_million_tokens: z.int(),
  batch_hit_price_nano_usd_per_million_tokens: z.int(),
  minimum_charge_nano_usd: z.int(),
});

const modelSchema = z.object({
  id: z.string(),
  status: z.string(),
  context_length: z.int(),
  native_dimensions: z.int(),
  prompts: z.object({
    query: z.string(),
    document: z.string(),
    default: z.string(),
    instruction: z.nullable(z.string()).optional(),
  }),
  revision: z.nullable(z.string()),
  pricing: pricingSchema,
});
export type ServedModel = z.infer<typeof modelSchema>;
/** Rerankers are in the list too, and have no prompts. */
const listedSchema = z.looseObject({ kind: z.nullable(z.string()).optional() });
const listSchema = z.object({ data: z.array(listedSchema) });

const accountSchema = z.object({
  spendable_nano_usd: z.int(),
  limits: z.object({ requests_per_minute: z.int(), tokens_per_minute: z.int() }),
});
export type Account = z.infer<typeof accountSchema>;

/** Tries of the first call: an API that is not there is soon reported. */
const TRIES_MAX = 4;

/** The named model, or the only one that is served. Throws Stop if there is none. */
export async function readModel(api: Api, named: string | undefined): Promise<ServedModel> {
  if (named !== undefined) {
    const { json } = await api.call({ path: `/v1/models/${encodeURIComponent(named)}`, triesMax: TRIES_MAX });
    const { kind } = checked(api, listedSchema, json);
    if (kind === "reranker") throw new Stop(`${named} is a reranker, which embeds nothing: name an embedding model.`);
    return checked(api, modelSchema, json);
  }
  const { json } = await api.call({ path: "/v1/models", triesMax: TRIES_MAX });
  const listed = checked(api, listSchema, json).data.filter(({ kind }) => kind !== "reranker");
  const data = checked(api, z.array(modelSchema), listed);
  const live = data.filter(({ status }) => status === "live");
  // A call to a model that warms up is held until it is ready.
  const served = live.length > 0 ? live : data.filter(({ status }) => status === "warming");
  const [only] = served;
  if (only !== undefined && served.length === 1) return only;
  const list = data.map(({ id, status }) => `${id} (${status})`).join(", ");
  throw new Stop(`Name a model with --model; ${api.url} has ${list === "" ? "none now" : list}.`);
}

export async function readAccount(api: Api): Promise<Account> {
  return checked(api, accountSchema, (await api.call({ path: "/v1/account" })).json);
}

export function checked<Schema extends z.ZodType>(api: Api, schema: Schema, json: unknown): z.output<Schema> {
  const { data, success } = schema.safeParse(json);
  if (success) return data;
  throw new Stop(`${api.url} answers, and not as this API does: is --url right?`);
}

/** The most tokens that texts can have and their cost, by the API's own bound before it has counted. */
export class Bounds {
  readonly contextTokens: number;
  readonly #before: number;
  readonly #perMillion: number;
  readonly #minimum: number;

  constructor(
    model: ServedModel,
    { inputType, instruction, tier }: { inputType: InputType | undefined; instruction: string | undefined; tier: Tier },
  ) {
    const { prompts, pricing } = model;
    if (instruction !== undefined && prompts.instruction === null)
      throw new Stop(`${model.id} takes no instruction: leave --instruction out.`);
    this.contextTokens = model.context_length;
    this.#before = prefixBound(promptFor(inputType, instruction, { ...prompts, plain: prompts.default }));
    this.#minimum = pricing.minimum_charge_nano_usd;
    this.#perMillion =
      tier === "batch"
        ? Math.max(pricing.batch_price_nano_usd_per_million_tokens, pricing.batch_hit_price_nano_usd_per_million_tokens)
        : Math.max(pricing.price_nano_usd_per_million_tokens, pricing.hit_price_nano_usd_per_million_tokens);
  }

  /** The most tokens of one text, if there were no context limit. */
  tokens(text: string): number {
    return this.#before + tokenBound(text);
  }

  /** The most tokens that a request can be charged for one text. */
  charged(text: string): number {
    return Math.min(this.tokens(text), this.contextTokens);
  }

  /** Nano-USD of one request with `tokens`, none of them cached. */
  cost(tokens: number): NanoUsd {
    return costNanoUsd([{ tokens, priceNanoUsdPerMillion: this.#perMillion }], this.#minimum);
  }
}
