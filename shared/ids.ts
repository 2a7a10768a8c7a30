// Typed ids: `prefix_` + base62 of 10 random bytes, all prefixes in one table. A brand per kind prevents using an
// account's id as a key's; ids from outside must pass `parseId`.

import { base62Length, decodeBase62, encodeBase62 } from "./base62.ts";

export const ID_PREFIXES = {
  account: "acct",
  key: "key",
  request: "req",
  grant: "grant",
  transaction: "txn",
  batch: "batch",
  file: "file",
  alert: "alert",
  webhook: "wh",
  audit: "audit",
  event: "evt",
  session: "sess",
  refund: "refund",
} as const;
export type IdKind = keyof typeof ID_PREFIXES;

declare const idBrand: unique symbol;
export type Id<Kind extends IdKind> = string & { readonly [idBrand]: Kind };
export type AccountId = Id<"account">;
export type KeyId = Id<"key">;
export type RequestId = Id<"request">;

declare const revisionBrand: unique symbol;
/** Hash over weights, config, tokenizer, compiler version, target and precision: 16 to 64 lower-case hex digits. */
export type ModelRevision = string & { readonly [revisionBrand]: true };

export const ID_BYTES = 10;
const ID_TEXT_LENGTH = base62Length(ID_BYTES);

/** The id of `kind` with these bytes (exactly 10). */
export function idFromBytes<Kind extends IdKind>(kind: Kind, bytes: Uint8Array): Id<Kind> {
  return `${ID_PREFIXES[kind]}_${encodeBase62(bytes)}` as Id<Kind>;
}

/** Random bytes for the ids to come: every request has one, and asking for ten bytes costs as much as for thousands. */
const pool = new Uint8Array(400 * ID_BYTES);
let used = pool.length;

/** A new random id: 80 bits, so that a billion ids collide with a chance below 1e-6. */
export function newId<Kind extends IdKind>(kind: Kind): Id<Kind> {
  if (used === pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  used += ID_BYTES;
  return idFromBytes(kind, pool.subarray(used - ID_BYTES, used));
}

/** `text` as an id of `kind`, or undefined when it is not one. */
export function parseId<Kind extends IdKind>(kind: Kind, text: string): Id<Kind> | undefined {
  const prefix = `${ID_PREFIXES[kind]}_`;
  if (!text.startsWith(prefix) || text.length !== prefix.length + ID_TEXT_LENGTH) return undefined;
  return idBytes(text.slice(prefix.length)) === undefined ? undefined : (text as Id<Kind>);
}

/** The 10 bytes of an id's base62 part. */
function idBytes(base62: string): Uint8Array | undefined {
  return decodeBase62(base62, ID_BYTES);
}

/** The 10 bytes of a typed id. */
export function bytesOfId(id: Id<IdKind>): Uint8Array {
  const bytes = idBytes(id.slice(id.indexOf("_") + 1));
  if (bytes === undefined) throw new TypeError("not an id");
  return bytes;
}

const REVISION_PATTERN = /^[0-9a-f]{16,64}$/;
/** What a revision looks like, for "must be …". */
export const REVISION_RULE = "a model's revision as `x-model-revision` shows it, 16 to 64 lower-case hex digits";

/** `text` as a model revision, or undefined when it is not 16 to 64 lower-case hex digits. */
export function parseRevision(text: string): ModelRevision | undefined {
  return REVISION_PATTERN.test(text) ? (text as ModelRevision) : undefined;
}
