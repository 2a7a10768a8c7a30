// How far a key with `keys:write` reaches: it makes, changes and rotates no key that may do more than itself, or its
// limits would be worth nothing (OWASP: privilege escalation). Revoking is always allowed: it takes rights away.
// A spending cap is not compared: it bounds what a key spends itself.

import type { KeyPatch, KeyTerms } from "../account/key-acts.ts";
import type { Rights } from "../account/types.ts";
import { faultOfRefusal } from "../middleware/refusals.ts";
import { ApiError, apiError } from "../../shared/errors.ts";

type Reach = Pick<KeyTerms, "scopes" | "models" | "ipAllow" | "expiresAtMs">;

/** Terms of a new key where its maker names none: the maker's own. */
export function inheritedTerms(terms: KeyTerms, rights: Rights, named: { readonly scopes: boolean }): KeyTerms {
  const scopes = named.scopes ? terms.scopes : rights.scopes;
  return {
    ...terms,
    ...reachOf(
      scopes,
      terms.models ?? rights.models,
      terms.ipAllow ?? rights.ipAllow,
      terms.expiresAtMs ?? rights.expiresAtMs,
    ),
  };
}

/** What a key may do after `patch`: null takes a term away, what is not named stays. */
export function patchedReach(before: Reach, patch: KeyPatch): Reach {
  const { scopes = before.scopes, models = before.models, ipAllow = before.ipAllow } = patch;
  const { expiresAtMs = before.expiresAtMs } = patch;
  return reachOf(scopes, models ?? undefined, ipAllow ?? undefined, expiresAtMs ?? undefined);
}

function reachOf(
  scopes: Reach["scopes"],
  models: Reach["models"],
  ipAllow: Reach["ipAllow"],
  expiresAtMs: Reach["expiresAtMs"],
): Reach {
  return {
    scopes,
    ...(models === undefined ? {} : { models }),
    ...(ipAllow === undefined ? {} : { ipAllow }),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
  };
}

/** Throws ApiError where `reach` goes beyond `rights`. */
export function checkReach(reach: Reach, rights: Rights): void {
  const scope = reach.scopes.find((one) => !rights.scopes.includes(one));
  if (scope !== undefined) {
    throw new ApiError(faultOfRefusal({ kind: "scope", needed: scope, granted: rights.scopes }));
  }
  const { models, ipAllow, expiresAtMs } = rights;
  if (models !== undefined && !isWithin(reach.models, models)) throw beyond("models", "the models it may use itself");
  if (ipAllow !== undefined && !isWithin(reach.ipAllow, ipAllow))
    throw beyond("ip_allow", "the addresses it may be used from itself");
  if (expiresAtMs !== undefined && (reach.expiresAtMs ?? Infinity) > expiresAtMs)
    throw beyond("expires_at", "the time it expires itself");
}

function isWithin(wanted: readonly string[] | undefined, own: readonly string[]): boolean {
  return wanted !== undefined && wanted.every((one) => own.includes(one));
}

function beyond(param: string, what: string) {
  return apiError(
    "insufficient_scope",
    `A key makes and changes no key that may do more: \`${param}\` must stay within ${what}.`,
    param,
  );
}
