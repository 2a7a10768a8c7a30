// How far a key with `keys:write` reaches: it makes, changes and rotates no key that may do more than itself, or its
// limits would be worth nothing (OWASP: privilege escalation), and it never raises its own. Every term counts.
//
// A key with a spending cap or rates of its own has nobody but itself in reach: two keys of one cap may spend twice the
// cap, and a sum over keys that come and go is a limit nobody could follow. It may lower its own terms, rotate itself,
// and revoke keys that may do no more than it.

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

/** What a cap is worth by when it starts anew: the later, the less. */
const CAP_WORTH: Readonly<Record<CapPeriod | "never", number>> = { never: 0, month: 1, week: 2, day: 3 };

/**
 * Terms of a new key. Where its draft names none they are its maker's own, and of scopes those that call models; what
 * the operator makes is the account's own key and has all of them.
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

/** What keeps `by` from making a key with `terms`; undefined: nothing. */
export function refusalToMake(terms: Reach, { key: own }: Acting): Refused | undefined {
  if (own === undefined) return undefined;
  if (isBounded(own)) return { refused: { kind: "bounded_key" } };
  // A key that manages keys and calls no model has no scope to pass on: its keys are told theirs by name.
  if (terms.scopes.length === 0) return { refused: { kind: "scope", needed: CALL_SCOPES[0], granted: own.scopes } };
  return refusedBy(beyond(terms, own));
}

/** What keeps `by` from changing `target`, or with no `patch` from getting a new secret for it; undefined: nothing. */
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

/** What keeps `by` from revoking `target`; undefined: nothing. */
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
  // `eager` keeps no more of a text than `standard` does, only longer; `off` is a promise that nothing is kept.
  ["cache", ({ cache }, own) => own.cache !== "off" || cache === "off"],
];

/** No limit of one's own bounds nothing; under one, no limit is beyond it. */
function isAtMost(value: number | undefined, own: number | undefined): boolean {
  return own === undefined || (value !== undefined && value <= own);
}

function isSubset(wanted: readonly string[] | undefined, own: readonly string[]): boolean {
  return wanted !== undefined && wanted.every((one) => own.includes(one));
}

function worth(capReset: CapPeriod | undefined): number {
  return CAP_WORTH[capReset ?? "never"];
}
