// Who acts on an account. The rights that an isolate knows may be a lease TTL old. That bounds what a revoked key can
// spend, but an act outlives its call and may not rely on them. So the acting key is sent into the object's turn and is
// judged there: it must be live, not expired, and allowed this address and scope. The turn then acts in its name.

import type { KeyId } from "../../shared/ids.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { refusalByRights } from "../ledger/rights.ts";
import type { Asked } from "../ledger/rights.ts";
import type { KeyRecord } from "../ledger/storage.ts";
import type { Refusal, SecretHash } from "../ledger/types.ts";

/** A key and what its call asks for. */
export interface ActingKey extends Omit<Asked, "model"> {
  readonly secret: readonly SecretHash[];
}

/** A key, or the name of one of our own parts (`operator`, `stripe`), whose rights the account does not judge. */
export type Actor = string | ActingKey;

/** The answer to a key that may not do what it asks for. */
export interface Refused {
  readonly refused: Refusal;
}

/** Who acts in a turn. `name` is for the audit log; `key` is set if a key acts, whose limits then bind the act. */
export interface Acting {
  readonly name: string | KeyId;
  readonly key?: KeyRecord;
}

export function isRefused(value: unknown): value is Refused {
  return typeof value === "object" && value !== null && "refused" in value;
}

/** Judges `by` in the turn of its act. */
export function judgeActor(ledger: Ledger, by: Actor, nowMs: number): Acting | Refused {
  if (typeof by === "string") return { name: by };
  const found = ledger.keys.find(by.secret, nowMs);
  if (found.kind === "refused") return { refused: found.refusal };
  if (ledger.status === "suspended") return { refused: { kind: "suspended" } };
  const { record } = found;
  const refusal = refusalByRights(record, by, nowMs);
  return refusal === undefined ? { name: record.id, key: record } : { refused: refusal };
}
