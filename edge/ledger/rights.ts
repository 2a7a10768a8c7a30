// What a key's rights refuse by themselves, without any credit: the same answer where an isolate judges from memory
// (wallet.ts) and where the object judges in the turn of an act (acting-key.ts).

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
  if (scope !== undefined && !scopes.includes(scope)) return { kind: "scope", needed: scope, granted: scopes };
  if (models !== undefined && model !== "" && !models.includes(model)) return { kind: "model", model, allowed: models };
  return undefined;
}

export function expiryOf({ expiresAtMs }: Pick<Judged, "expiresAtMs">, nowMs: number): KeyRefusal | undefined {
  return expiresAtMs !== undefined && nowMs >= expiresAtMs ? { kind: "expired", expiredAtMs: expiresAtMs } : undefined;
}
