// Creating, changing, rotating and revoking keys. Only records are handled here; callers generate and hash the secret.
// A revoked key's row stays, because its name explains old usage; the oldest are deleted beyond REVOKED_KEYS_MAX.

import type { KeyId } from "../../shared/ids.ts";
import { audit } from "../ledger/acts.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { LastRefusal } from "./refused-keys.ts";
import { KEYS_MAX } from "../ledger/settings.ts";
import type { KeyRecord } from "../ledger/storage.ts";
import type { SecretHash } from "../ledger/types.ts";

/** The terms that the creator of a key chooses. */
export type KeyTerms = Omit<
  KeyRecord,
  "id" | "prefix" | "pepperId" | "hash" | "previous" | "createdAtMs" | "revokedAtMs"
>;

/** A key as it is shown, without its hash. */
export type KeyView = Omit<KeyRecord, "pepperId" | "hash" | "previous"> & {
  /** When its last spend was reported. */
  readonly lastUsedAtMs?: number;
  /** Set when keys are listed or read. */
  readonly lastRefusal?: LastRefusal;
};

type Optional<Term extends keyof KeyTerms> = object extends Pick<KeyTerms, Term> ? null : never;

/** `null` removes an optional term. */
export type KeyPatch = { readonly [Term in keyof KeyTerms]?: KeyTerms[Term] | Optional<Term> };

/** A key as it is asked for; terms that are not named come from its creator (key-reach.ts). */
export type KeyDraft = KeyPatch & Pick<KeyTerms, "name">;

const REVOKED_KEYS_MAX = 200;

export function viewKey(ledger: Ledger, record: KeyRecord): KeyView {
  const { pepperId: _pepper, hash: _hash, previous: _previous, ...shown } = record;
  const { lastUsedAtMs } = ledger.keys.use(record.id);
  return lastUsedAtMs === 0 ? shown : { ...shown, lastUsedAtMs };
}

export interface NewKey {
  readonly id: KeyId;
  readonly prefix: string;
  readonly secret: SecretHash;
  readonly terms: KeyTerms;
}

export function addKey(ledger: Ledger, key: NewKey, actor: string, nowMs: number): KeyView | "too_many_keys" {
  if (ledger.keys.live.length >= KEYS_MAX) return "too_many_keys";
  const { id, prefix, secret, terms } = key;
  const record: KeyRecord = { ...terms, id, prefix, pepperId: secret.pepperId, hash: secret.hash, createdAtMs: nowMs };
  ledger.keys.put(record, ledger.storage);
  audit(ledger, nowMs, actor, "key.create", { id, name: terms.name });
  return viewKey(ledger, record);
}

/** `no_cap`: the patch sets when the cap resets, but the key has no cap. */
export function patchKey(
  ledger: Ledger,
  id: KeyId,
  patch: KeyPatch,
  actor: string,
  nowMs: number,
): KeyView | "unknown" | "no_cap" {
  const record = liveKey(ledger, id);
  if (record === undefined) return "unknown";
  const next = patched(record, patch);
  if (typeof patch.capReset === "string" && next.capNanoUsd === undefined) return "no_cap";
  ledger.tick(nowMs);
  ledger.buckets(nowMs, record); // drain its buckets at the old rates first
  ledger.keys.put(next, ledger.storage);
  audit(ledger, nowMs, actor, "key.patch", { id, terms: Object.keys(patch) });
  return viewKey(ledger, next);
}

/** `record` after `patch`. Removing the cap removes its reset too. */
export function patched(record: KeyRecord, patch: KeyPatch): KeyRecord {
  const change = patch.capNanoUsd === null ? { capReset: null, ...patch } : patch;
  const next: KeyRecord = JSON.parse(withoutNulls({ ...record, ...change }));
  return next;
}

/** JSON of `terms` without those that are null. */
export function withoutNulls(terms: object): string {
  return JSON.stringify(terms, (_name, value: unknown) => (value === null ? undefined : value));
}

/**
 * Gives the key a new secret; the old one works until `overlapMs` from now. A second rotation ends the first overlap.
 */
export function rotateKey(
  ledger: Ledger,
  id: KeyId,
  fresh: { readonly prefix: string; readonly secret: SecretHash; readonly overlapMs: number },
  actor: string,
  nowMs: number,
): KeyView | "unknown" {
  const record = liveKey(ledger, id);
  if (record === undefined) return "unknown";
  const next: KeyRecord = {
    ...record,
    prefix: fresh.prefix,
    pepperId: fresh.secret.pepperId,
    hash: fresh.secret.hash,
    previous: { pepperId: record.pepperId, hash: record.hash, untilMs: nowMs + fresh.overlapMs },
  };
  ledger.keys.put(next, ledger.storage);
  audit(ledger, nowMs, actor, "key.rotate", { id, overlapMs: fresh.overlapMs });
  return viewKey(ledger, next);
}

export function revokeKey(ledger: Ledger, id: KeyId, actor: string, nowMs: number): "revoked" | "unknown" {
  const record = liveKey(ledger, id);
  if (record === undefined) return "unknown";
  ledger.keys.put({ ...record, revokedAtMs: nowMs }, ledger.storage);
  const revoked = ledger.keys.all.filter(({ revokedAtMs }) => revokedAtMs !== undefined);
  revoked.sort((a, b) => (a.revokedAtMs ?? 0) - (b.revokedAtMs ?? 0));
  for (const old of revoked.slice(0, -REVOKED_KEYS_MAX)) ledger.keys.delete(old.id, ledger.storage);
  audit(ledger, nowMs, actor, "key.revoke", { id });
  return "revoked";
}

/**
 * Looks up a leaked secret. `key`: the caller must revoke this key. `revoked`: the secret had been replaced by a
 * rotation; it no longer works, and the key's new secret still does.
 */
export function leakedKey(
  ledger: Ledger,
  hashes: readonly SecretHash[],
  actor: string,
  nowMs: number,
): { readonly kind: "key"; readonly id: KeyId } | { readonly kind: "revoked" | "unknown" } {
  const record = ledger.keys.locate(hashes);
  if (record === undefined) return { kind: "unknown" };
  const { previous, ...rest } = record;
  const isOld = hashes.some(({ pepperId, hash }) => previous?.pepperId === pepperId && previous.hash === hash);
  if (!isOld) return { kind: "key", id: record.id };
  ledger.keys.put(rest, ledger.storage);
  audit(ledger, nowMs, actor, "key.revoke_previous", { id: record.id });
  return { kind: "revoked" };
}

export function liveKey(ledger: Ledger, id: KeyId): KeyRecord | undefined {
  const record = ledger.keys.get(id);
  return record?.revokedAtMs === undefined ? record : undefined;
}
