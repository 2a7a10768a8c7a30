// Creating, changing, rotating and revoking keys. The secret itself is made and hashed outside; here are only records.
// A revoked key's row stays (its name explains old usage), the oldest go when they are many.

import type { KeyId } from "../../shared/ids.ts";
import { audit } from "../ledger/acts.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { LastRefusal } from "./refused-keys.ts";
import { KEYS_MAX } from "../ledger/settings.ts";
import type { KeyRecord } from "../ledger/storage.ts";
import type { SecretHash } from "../ledger/types.ts";

/** What the creator chooses. */
export type KeyTerms = Omit<
  KeyRecord,
  "id" | "prefix" | "pepperId" | "hash" | "previous" | "createdAtMs" | "revokedAtMs"
>;

/** A key as it is shown: never a hash. */
export type KeyView = Omit<KeyRecord, "pepperId" | "hash" | "previous"> & {
  /** Coarse: when its last spend was reported. */
  readonly lastUsedAtMs?: number;
  /** Where keys are listed. */
  readonly lastRefusal?: LastRefusal;
};

type Optional<Term extends keyof KeyTerms> = object extends Pick<KeyTerms, Term> ? null : never;

/** `null` takes an optional term away. */
export type KeyPatch = { readonly [Term in keyof KeyTerms]?: KeyTerms[Term] | Optional<Term> };

/** A key as it is asked for: what is not named is its maker's to say (key-reach.ts). */
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

/** `no_cap`: when a cap starts anew, for a key that has none. */
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
  ledger.buckets(nowMs, record); // drains its buckets at the old rates
  ledger.keys.put(next, ledger.storage);
  audit(ledger, nowMs, actor, "key.patch", { id, terms: Object.keys(patch) });
  return viewKey(ledger, next);
}

/** `record` after `patch`. A cap that goes takes along when it starts anew. */
export function patched(record: KeyRecord, patch: KeyPatch): KeyRecord {
  const change = patch.capNanoUsd === null ? { capReset: null, ...patch } : patch;
  const next: KeyRecord = JSON.parse(withoutNulls({ ...record, ...change }));
  return next;
}

/** As JSON. */
export function withoutNulls(terms: object): string {
  return JSON.stringify(terms, (_name, value: unknown) => (value === null ? undefined : value));
}

/** Gives the key a new secret; the old one works until `overlapMs` from now. A second rotation ends the first overlap. */
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
 * A secret that leaked. `key`: this one is to be revoked, whatever its state; `revoked`: a rotation had replaced the secret,
 * which alone works no more.
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
