// Keys as the public API writes them (snake_case, unix seconds) and as the ledger keeps them.

import * as z from "zod";
import { isAddressRange } from "../account/ip-allow.ts";
import type { CreatedKey } from "../account/account.ts";
import type { KeyPatch, KeyTerms, KeyView } from "../account/key-acts.ts";
import type { Scope } from "../account/types.ts";
import { SCOPES } from "../account/types.ts";
import { nanoUsd } from "../../shared/money.ts";
import { integer, oneOf, text } from "../../shared/schemas/fields.ts";

const NAME_LENGTH_MAX = 100;
const LIST_LENGTH_MAX = 100;
const RATE_MAX = 1_000_000_000;
/** The year 2100. */
const EXPIRES_AT_MAX = 4_102_444_800;

const list = <Item extends z.ZodType>(item: Item, what: string) =>
  z
    .array(item, { error: () => `an array of ${what}` })
    .max(LIST_LENGTH_MAX, { error: () => `at most ${LIST_LENGTH_MAX} ${what}` });

const fields = {
  name: text("a string")
    .min(1, { error: "a name" })
    .max(NAME_LENGTH_MAX, { error: `at most ${NAME_LENGTH_MAX} characters` }),
  scopes: list(oneOf(SCOPES), "scopes"),
  models: list(text("a model's id"), "model ids"),
  expires_at: integer(0, EXPIRES_AT_MAX),
  cap_nano_usd: integer(0, Number.MAX_SAFE_INTEGER),
  cap_reset: oneOf(["day", "week", "month"]),
  // Kept as they are and matched at each lease: one that cannot be read would lock its key out.
  ip_allow: list(
    text("an address or CIDR range").refine(isAddressRange, { error: "an address or CIDR range" }),
    "addresses or CIDR ranges",
  ),
  requests_per_minute: integer(1, RATE_MAX),
  tokens_per_minute: integer(1, RATE_MAX),
  cache: oneOf(["off", "standard", "eager"]),
};

export const createKeySchema = z.strictObject({
  name: fields.name.default("Key"),
  scopes: fields.scopes.optional(),
  models: fields.models.optional(),
  expires_at: fields.expires_at.optional(),
  cap_nano_usd: fields.cap_nano_usd.optional(),
  cap_reset: fields.cap_reset.optional(),
  ip_allow: fields.ip_allow.optional(),
  requests_per_minute: fields.requests_per_minute.optional(),
  tokens_per_minute: fields.tokens_per_minute.optional(),
  cache: fields.cache.optional(),
});

export const patchKeySchema = createKeySchema.extend({ name: fields.name.optional() });

type KeyFields = z.output<typeof patchKeySchema>;

/** Terms of a new key: all scopes and the standard cache where nothing is said. */
export function termsOf(body: z.output<typeof createKeySchema>): KeyTerms {
  return { ...changesOf(body), name: body.name, scopes: body.scopes ?? [...SCOPES], cache: body.cache ?? "standard" };
}

/** The changes of a PATCH. */
export function patchOf(body: KeyFields): KeyPatch {
  return { ...changesOf(body), ...(body.name === undefined ? {} : { name: body.name }) };
}

function changesOf(body: KeyFields) {
  return {
    ...(body.scopes === undefined ? {} : { scopes: body.scopes satisfies readonly Scope[] }),
    ...(body.models === undefined ? {} : { models: body.models }),
    ...(body.expires_at === undefined ? {} : { expiresAtMs: body.expires_at * 1000 }),
    ...(body.cap_nano_usd === undefined ? {} : { capNanoUsd: nanoUsd(body.cap_nano_usd) }),
    ...(body.cap_reset === undefined ? {} : { capReset: body.cap_reset }),
    ...(body.ip_allow === undefined ? {} : { ipAllow: body.ip_allow }),
    ...(body.requests_per_minute === undefined ? {} : { requestsPerMinute: body.requests_per_minute }),
    ...(body.tokens_per_minute === undefined ? {} : { tokensPerMinute: body.tokens_per_minute }),
    ...(body.cache === undefined ? {} : { cache: body.cache }),
  };
}

/** What a key looks like in lists: never its secret. */
export function keyAnswer(key: KeyView) {
  return {
    id: key.id,
    object: "api_key",
    name: key.name,
    prefix: key.prefix,
    scopes: key.scopes,
    models: key.models ?? null,
    expires_at: seconds(key.expiresAtMs),
    cap_nano_usd: key.capNanoUsd ?? null,
    cap_reset: key.capReset ?? null,
    ip_allow: key.ipAllow ?? null,
    requests_per_minute: key.requestsPerMinute ?? null,
    tokens_per_minute: key.tokensPerMinute ?? null,
    cache: key.cache,
    created_at: seconds(key.createdAtMs),
    last_used_at: seconds(key.lastUsedAtMs),
  };
}

/** A key as its creator sees it, once. */
export function createdKeyAnswer(key: CreatedKey) {
  return { ...keyAnswer(key), key: key.key };
}

export function seconds(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.floor(ms / 1000);
}
