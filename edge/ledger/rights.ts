// What a key's rights refuse, whatever the credit. Shared by the isolate, which judges from memory (wallet.ts), by the
// object, which judges in the turn of an act (acting-key.ts), and by batches (batch-charge.ts).

import { isAddressAllowed } from "./ip-allow.ts";
import type { KeyRefusal, Refusal, Rights, Scope } from "./types.ts";

/** The judged terms of a key: from its record, or from the rights that an isolate received. */
type Judged = Pick<Rights, "expiresAtMs" | "ipAllow" | "scopes" | "models">;

/** What is asked of a key. */
export interface Asked {
  readonly ip: string;
  /** Undefined: any valid key will do. */
  readonly scope?: Scope;
  /** A full model id; undefined or empty: no model is called. */
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

/** Refuses the first of `needed` that is not granted. */
export function refusalByScopes(needed: readonly Scope[], granted: readonly Scope[]): Refusal | undefined {
  const missing = needed.find((scope) => !granted.includes(scope));
  return missing === undefined ? undefined : { kind: "scope", needed: missing, granted };
}

/** Refuses the first of `called` that is not allowed; `allowed` undefined: all are. */
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
