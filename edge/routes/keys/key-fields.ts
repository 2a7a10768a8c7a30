// Keys as the public API writes them (snake_case, unix seconds) and as the ledger stores them. The stored form is
// canonical: full model ids, one spelling of addresses, no duplicates. A key that could never work is refused.

import * as z from "zod";
import type { CreatedKey } from "../../account/account-keys.ts";
import type { KeyDraft, KeyPatch, KeyView } from "../../keys/key-acts.ts";
import { MENDABLE } from "../../keys/refused-keys.ts";
import { canonicalRange, isAddressRange } from "../../ledger/ip-allow.ts";
import { CACHE_SETTINGS, CAP_PERIODS, SCOPES } from "../../ledger/types.ts";
import { findModel, nearestModel } from "../../models/models.ts";
import { always, described, field } from "../../openapi/described.ts";
import type { Answer } from "../../openapi/operation.ts";
import { amountNanoUsd, answerOf, count, exampleId, seconds, time } from "../answers.ts";
import { must } from "../../../shared/assert.ts";
import type { CatalogModel } from "../../../shared/catalog.ts";
import { apiError } from "../../../shared/errors.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { integer, oneOf, text, wrongValue } from "../../../shared/schemas/fields.ts";

const NAME_LENGTH_MAX = 100;
const LIST_LENGTH_MAX = 100;
const RATE_MAX = 1_000_000_000;
/** The year 2100. */
const EXPIRES_AT_MAX = 4_102_444_800;
const RANGE_RULE =
  "an address like 203.0.113.7 or 2001:db8::1, or a CIDR range like 10.0.0.0/8 with no bit set behind its prefix";

const list = <Item extends z.ZodType>(item: Item, what: string) =>
  z
    .array(item, { error: () => `an array of ${what}` })
    .min(1, { error: () => `at least one of ${what}, or absent for any` })
    .max(LIST_LENGTH_MAX, { error: () => `at most ${LIST_LENGTH_MAX} ${what}` });

const fields = {
  name: text("a string")
    .trim()
    .min(1, { error: "a name" })
    .max(NAME_LENGTH_MAX, { error: `at most ${NAME_LENGTH_MAX} characters` }),
  scopes: z
    .array(oneOf(SCOPES), { error: () => "an array of scopes" })
    .min(1, { error: () => `at least one of ${SCOPES.join(", ")}` })
    .max(LIST_LENGTH_MAX, { error: () => `at most ${LIST_LENGTH_MAX} scopes` }),
  models: list(text("a model's id"), "model ids"),
  expires_at: integer(1, EXPIRES_AT_MAX),
  cap_nano_usd: integer(1, Number.MAX_SAFE_INTEGER),
  cap_reset: oneOf(CAP_PERIODS),
  ip_allow: list(
    text(RANGE_RULE).refine((range) => canonicalRange(range) !== undefined, { error: RANGE_RULE }),
    "addresses or CIDR ranges",
  ),
  requests_per_minute: integer(1, RATE_MAX),
  tokens_per_minute: integer(1, RATE_MAX),
  cache: oneOf(CACHE_SETTINGS),
};

export const createKeySchema = z
  .strictObject(fields)
  .partial()
  .extend({ name: fields.name.default("Key") });

/** `null` removes an optional term. */
export const patchKeySchema = z
  .strictObject({
    ...fields,
    models: fields.models.nullable(),
    expires_at: fields.expires_at.nullable(),
    cap_nano_usd: fields.cap_nano_usd.nullable(),
    cap_reset: fields.cap_reset.nullable(),
    ip_allow: fields.ip_allow.nullable(),
    requests_per_minute: fields.requests_per_minute.nullable(),
    tokens_per_minute: fields.tokens_per_minute.nullable(),
  })
  .partial();

/** The requested key. `models`: all that exist. Throws ApiError for a key that could never work. */
export function draftOf(body: z.output<typeof createKeySchema>, models: readonly CatalogModel[]): KeyDraft {
  if (body.cap_reset !== undefined && body.cap_nano_usd === undefined) throw noCap();
  return { ...patchOf(body, models), name: body.name };
}

/** The changes of a PATCH, checked in the same way. */
export function patchOf(body: z.output<typeof patchKeySchema>, models: readonly CatalogModel[]): KeyPatch {
  const { name, scopes, models: names, expires_at: expiresAt, ip_allow: ranges, cache } = body;
  const { cap_nano_usd: cap, cap_reset: capReset, requests_per_minute: requests, tokens_per_minute: tokens } = body;
  return {
    ...(name === undefined ? {} : { name }),
    ...(scopes === undefined ? {} : { scopes: SCOPES.filter((scope) => scopes.includes(scope)) }),
    ...(names === undefined ? {} : { models: names === null ? null : fullIds(names, models) }),
    ...(expiresAt === undefined ? {} : { expiresAtMs: expiresAt === null ? null : timeToCome(expiresAt) }),
    ...(cap === undefined ? {} : { capNanoUsd: cap === null ? null : nanoUsd(cap) }),
    ...(capReset === undefined ? {} : { capReset }),
    ...(ranges === undefined ? {} : { ipAllow: ranges === null ? null : canonicalRanges(ranges) }),
    ...(requests === undefined ? {} : { requestsPerMinute: requests }),
    ...(tokens === undefined ? {} : { tokensPerMinute: tokens }),
    ...(cache === undefined ? {} : { cache }),
  };
}

/** Bare names are accepted, as in calls. */
function fullIds(names: readonly string[], models: readonly CatalogModel[]): string[] {
  const ids = names.map((name, index) => {
    const model = findModel(name, models);
    if (model !== undefined) return model.id;
    const close = nearestModel(name, models);
    const hint = close === undefined ? "GET /v1/models lists them" : `did you mean \`${close}\`?`;
    throw wrongValue(`models[${index}]`, `a model that there is (${hint})`, name);
  });
  return [...new Set(ids)];
}

function canonicalRanges(ranges: readonly string[]): string[] {
  return [...new Set(ranges.map((range) => must(canonicalRange(range), "a range that was parsed")))];
}

function timeToCome(expiresAtS: number): number {
  const nowS = Math.floor(Date.now() / 1000);
  if (expiresAtS > nowS) return expiresAtS * 1000;
  throw wrongValue("expires_at", `a time to come in unix seconds (now is ${nowS})`, expiresAtS);
}

/** For `cap_reset` without a cap. */
export function noCap() {
  return apiError("invalid_value", "`cap_reset` must be absent for a key without `cap_nano_usd`.", "cap_reset");
}

/** Why a key can do nothing (older ones were not checked when they were created); null: it can. */
function unusableBecause(key: KeyView, models: readonly CatalogModel[]): string | null {
  if (key.expiresAtMs !== undefined && key.expiresAtMs <= Date.now()) return "it has expired";
  if (key.scopes.length === 0) return "`scopes` is empty";
  if (key.capNanoUsd === 0) return "`cap_nano_usd` is 0";
  if (key.models?.some((id) => models.some((model) => model.id === id)) === false)
    return "`models` names none there is";
  if (key.ipAllow?.some(isAddressRange) === false) return "`ip_allow` names no address";
  return null;
}

/** A key in lists, without its secret. `models`: all that exist. */
export const KEY = described<{ readonly key: KeyView; readonly models: readonly CatalogModel[] }>({
  id: field(z.string(), ({ key }) => key.id, exampleId("key")),
  object: always("api_key"),
  name: field(z.string(), ({ key }) => key.name, "Search"),
  prefix: field(
    z.string().describe("The beginning of the key, to recognise it by."),
    ({ key }) => key.prefix,
    "gr-2bXk",
  ),
  scopes: field(z.array(z.enum(SCOPES)), ({ key }) => [...key.scopes], ["embeddings", "rerank"]),
  models: field(z.nullable(z.array(z.string())), ({ key }) => listOrNull(key.models), null),
  expires_at: field(time, ({ key }) => seconds(key.expiresAtMs), null),
  cap_nano_usd: field(z.nullable(amountNanoUsd), ({ key }) => key.capNanoUsd ?? null, 1_000_000_000),
  cap_reset: field(z.nullable(z.enum(CAP_PERIODS)), ({ key }) => key.capReset ?? null, "month"),
  ip_allow: field(z.nullable(z.array(z.string())), ({ key }) => listOrNull(key.ipAllow), null),
  requests_per_minute: field(z.nullable(count), ({ key }) => key.requestsPerMinute ?? null, null),
  tokens_per_minute: field(z.nullable(count), ({ key }) => key.tokensPerMinute ?? null, null),
  cache: field(z.enum(CACHE_SETTINGS), ({ key }) => key.cache, "standard"),
  created_at: field(time, ({ key }) => seconds(key.createdAtMs), 1_790_000_000),
  last_used_at: field(time, ({ key }) => seconds(key.lastUsedAtMs), 1_790_003_000),
  last_refusal: field(
    z
      .nullable(z.object({ at: time, code: z.enum(MENDABLE) }))
      .describe(
        "The last call that was refused for a reason you can fix (credit, cap, limit, expiry, scope, model, address); only in lists and GET.",
      ),
    ({ key: { lastRefusal } }) =>
      lastRefusal === undefined ? null : { at: seconds(lastRefusal.atMs), code: lastRefusal.code },
    { at: 1_790_003_600, code: "key_cap_reached" },
  ),
  unusable_because: field(
    z.nullable(z.string()).describe("Why this key can do nothing: it has expired, or it is older than the checks."),
    ({ key, models }) => unusableBecause(key, models),
    null,
  ),
});

function listOrNull(values: readonly string[] | undefined): string[] | null {
  return values === undefined ? null : [...values];
}

export const KEY_ANSWER = answerOf("Key", "The key, without its secret.", KEY);

/** A key as lists show it: never with its secret. */
export function keyAnswer(key: KeyView, models: readonly CatalogModel[]) {
  return KEY.of({ key, models });
}

export const CREATED_KEY_ANSWER: Answer = {
  description: "The key with its secret, shown only here.",
  name: "CreatedKey",
  schema: KEY.schema.extend({
    key: z.nullable(z.string()).describe("The key itself, shown only here; null in a repeat after more than a minute."),
  }),
  example: { ...KEY.example, key: "gr-…" },
};

/** A key as its creator sees it, once. */
export function createdKeyAnswer(key: CreatedKey, models: readonly CatalogModel[]) {
  return { ...keyAnswer(key, models), key: key.key };
}
