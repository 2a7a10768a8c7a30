// What a key's rights refuse by themselves, without any credit: the same answer where an isolate judges from memory
// (wallet.ts), where the object judges in the turn of an act (acting-key.ts), and for what a batch uses (batch-charge.ts).

import { isAddressAllowed } from "./ip-allow.ts";
import type { KeyRefusal, Refusal, Rights, Scope } from "./types.ts";

/** A key's record, or what an isolate was told of it. */
type Judged = Pick<Rights, "expiresAtMs" | "ipAllow" | "scopes" | "models">;

/** What is asked of a key. */
export interface Asked {
  readonly ip: string;
  /** undefined: any valid key. */
  readonly scope?: Scope;
  /** A full id; undefined or empty: no model is called. */
  readonly model?: string;
}

export function refusalByRights(rights: Judged, { ip, scope, model = "" }: Asked, nowMs: number): Refusal | undefined {
  const { ipAllow, scopes, models } = rights;
  const expired = expiryOf(rights, nowMs);
  if (expired !== undefined) return expired;
  if (ipAllow !== undefined && !isAddressAllowed(ip, ipAllow)) return { kind: "ip", ip };
  return (
    refusalByScopes(scope === undefined ? [] : [scope], scopes) ?? refusalByModels(model === "" ? [] : [model], models)
  );
}

/** The first of `needed` that is not granted. */
export function refusalByScopes(needed: readonly Scope[], granted: readonly Scope[]): Refusal | undefined {
  const missing = needed.find((scope) => !granted.includes(scope));
  return missing === undefined ? undefined : { kind: "scope", needed: missing, granted };
}

/** The first of `called` that is not allowed; `allowed` undefined: all are. */
export function refusalByModels(
  called: readonly string[],
  allowed: readonly string[] | undefined,
): Refusal | undefined {
  if (allowed === undefined) return undefined;
  const model = called.find((id) => !allowed.includes(id));
  return model === undefined ? undefined : { kind: "model", model, allowed };
}

export function expiryOf({ expiresAtMs }: Pick<Judged, "expiresAtMs">, nowMs: number): KeyRefusal | undefined {
  return expiresAtMs !== undefined && nowMs >= expiresAtMs ? { kind: "expired", expiredAtMs: expiresAtMs } : undefined;
}
