// Who acts on an account. An isolate's rights may be a lease TTL old, which bounds what a revoked key can spend; an act
// that outlives its call may not rest on them. So the acting key travels into the object's turn and is judged there:
// alive, not expired, from an address and with a scope that are its own. What happens in that turn happens as its own.

import type { KeyId } from "../../shared/ids.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { refusalByRights } from "../ledger/rights.ts";
import type { Asked } from "../ledger/rights.ts";
import type { KeyRecord } from "../ledger/storage.ts";
import type { Refusal, SecretHash } from "../ledger/types.ts";

/** A key that asks for something, as its call brought it. */
export interface ActingKey extends Omit<Asked, "model"> {
  readonly secret: readonly SecretHash[];
}

/** A key, or one of our own by name (`operator`, `stripe`), whose rights are not the account's to judge. */
export type Actor = string | ActingKey;

/** The answer to a key that may not. */
export interface Refused {
  readonly refused: Refusal;
}

/** Who acts, as a turn knows it. `name` is for the audit log; `key` is there where limits of a key bind the act. */
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
