// What a key with `keys:write` may do to keys. It creates, changes and rotates no key that may do more than itself, and
// never raises its own terms: otherwise its limits would be worth nothing (OWASP: privilege escalation). Every term
// counts.
//
// A key with its own spending cap or rates may act only on itself: two keys with one cap each may spend twice the cap,
// and a shared limit over keys that come and go could not be understood. It may lower its own terms, rotate itself, and
// revoke keys that may do no more than it.

import type { Acting, Refused } from "./acting-key.ts";
import { areRangesWithin } from "../ledger/ip-allow.ts";
import { patched, withoutNulls } from "./key-acts.ts";
import type { KeyDraft, KeyPatch, KeyTerms } from "./key-acts.ts";
import { refusalByScopes } from "../ledger/rights.ts";
import type { KeyRecord } from "../ledger/storage.ts";
import { CALL_SCOPES, SCOPES } from "../ledger/types.ts";
import type { CapPeriod, KeyTerm, Refusal } from "../ledger/types.ts";

/** The terms that bound what a key may do. */
export type Reach = Omit<KeyTerms, "name">;

/** How much a cap allows by when it resets: the more often, the more. */
const CAP_WORTH: Readonly<Record<CapPeriod | "never", number>> = { never: 0, month: 1, week: 2, day: 3 };

/**
 * The terms of a new key. Terms that the draft does not name are those of its creator, but of its scopes only those
 * that call models. A key that the operator creates gets all scopes.
 */
export function draftedTerms(draft: KeyDraft, { key: maker }: Acting): KeyTerms {
  const scopes = maker === undefined ? SCOPES : CALL_SCOPES.filter((scope) => maker.scopes.includes(scope));
  const inherited = {
    scopes,
    cache: maker?.cache === "off" ? "off" : "standard",
    models: maker?.models ?? null,
    ipAllow: maker?.ipAllow ?? null,
    expiresAtMs: maker?.expiresAtMs ?? null,
  };
  const terms: KeyTerms = JSON.parse(withoutNulls({ ...inherited, ...draft }));
  return terms;
}

/** Why the acting key may not create a key with `terms`; undefined: it may. */
export function refusalToMake(terms: Reach, { key: own }: Acting): Refused | undefined {
  if (own === undefined) return undefined;
  if (isBounded(own)) return { refused: { kind: "bounded_key" } };
  // A key that calls no model passes no scope on: the draft must name scopes.
  if (terms.scopes.length === 0) return { refused: { kind: "scope", needed: CALL_SCOPES[0], granted: own.scopes } };
  return refusedBy(beyond(terms, own));
}

/** Why the acting key may not change `target` (without `patch`: not rotate it); undefined: it may. */
export function refusalToChange(
  target: KeyRecord | undefined,
  patch: KeyPatch | undefined,
  { key: own }: Acting,
): Refused | undefined {
  if (own === undefined || target === undefined) return undefined;
  const isItself = target.id === own.id;
  if (!isItself && isBounded(own)) return { refused: { kind: "bounded_key" } };
  return refusedBy(
    (isItself ? undefined : beyond(target, own)) ??
      (patch === undefined ? undefined : beyond(patched(target, patch), own)),
  );
}

/** Why the acting key may not revoke `target`; undefined: it may. */
export function refusalToRevoke(target: KeyRecord | undefined, { key: own }: Acting): Refused | undefined {
  if (own === undefined || target === undefined || target.id === own.id) return undefined;
  return refusedBy(beyond(target, own));
}

function refusedBy(refused: Refusal | undefined): Refused | undefined {
  return refused === undefined ? undefined : { refused };
}

function isBounded({ capNanoUsd, requestsPerMinute, tokensPerMinute }: KeyRecord): boolean {
  return capNanoUsd !== undefined || requestsPerMinute !== undefined || tokensPerMinute !== undefined;
}

/** The first term by which `reach` goes beyond `own`. */
function beyond(reach: Reach, own: KeyRecord): Refusal | undefined {
  const term = TERMS.find(([, isWithin]) => !isWithin(reach, own))?.[0];
  return refusalByScopes(reach.scopes, own.scopes) ?? (term === undefined ? undefined : { kind: "reach", term });
}

const TERMS: readonly (readonly [KeyTerm, (reach: Reach, own: KeyRecord) => boolean])[] = [
  ["models", ({ models }, own) => own.models === undefined || isSubset(models, own.models)],
  [
    "ip_allow",
    ({ ipAllow }, own) => own.ipAllow === undefined || (ipAllow !== undefined && areRangesWithin(ipAllow, own.ipAllow)),
  ],
  ["expires_at", ({ expiresAtMs }, own) => isAtMost(expiresAtMs, own.expiresAtMs)],
  ["cap_nano_usd", ({ capNanoUsd }, own) => isAtMost(capNanoUsd, own.capNanoUsd)],
  ["cap_reset", ({ capReset }, own) => own.capNanoUsd === undefined || worth(capReset) <= worth(own.capReset)],
  ["requests_per_minute", ({ requestsPerMinute }, own) => isAtMost(requestsPerMinute, own.requestsPerMinute)],
  ["tokens_per_minute", ({ tokensPerMinute }, own) => isAtMost(tokensPerMinute, own.tokensPerMinute)],
  // `eager` stores no more of a text than `standard`, only longer; `off` promises that nothing is stored.
  ["cache", ({ cache }, own) => own.cache !== "off" || cache === "off"],
];

/** If `own` has no limit, any value will do; otherwise an absent limit is too much. */
function isAtMost(value: number | undefined, own: number | undefined): boolean {
  return own === undefined || (value !== undefined && value <= own);
}

function isSubset(wanted: readonly string[] | undefined, own: readonly string[]): boolean {
  return wanted !== undefined && wanted.every((one) => own.includes(one));
}

function worth(capReset: CapPeriod | undefined): number {
  return CAP_WORTH[capReset ?? "never"];
}
