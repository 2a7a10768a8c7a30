// What routes see of the statement's seals: the hours' entries, and the proof of a line.

import { must } from "../../shared/assert.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { SEAL_AFTER_MS, proofOf, sealHours } from "../ledger/seals.ts";
import type { LineProof } from "../ledger/seals.ts";
import { MS_PER_HOUR, hourOf } from "../ledger/statement.ts";
import type { Seal } from "../ledger/storage.ts";
import { listTransactions } from "./views.ts";

export interface SealsPage {
  /** Newest first. */
  readonly seals: readonly Seal[];
  /** Pass it as `before` for the next page; undefined: this was the last. */
  readonly before?: number;
}

export type ProofOutcome =
  | ({ readonly kind: "proof" } & LineProof)
  /** Its hour is open, or has just ended, or there was more to seal than one turn does. */
  | { readonly kind: "unsealed"; readonly untilMs: number }
  | { readonly kind: "unknown" };

/** When a line of an hour that was over already is sealed by the next turn. */
const NEXT_TURN_MS = 1000;

/** Seals of lines before position `before` (undefined: the newest), at most `limit`. */
export function listSeals(ledger: Ledger, before: number | undefined, limit: number, nowMs: number): SealsPage {
  sealHours(ledger, nowMs);
  const seals = ledger.storage.readSeals({ before: before ?? Number.MAX_SAFE_INTEGER, limit: limit + 1 });
  if (seals.length <= limit) return { seals };
  const shown = seals.slice(0, limit);
  return { seals: shown, before: must(shown.at(-1), "last seal of a full page").first };
}

export function proveLine(ledger: Ledger, position: number, nowMs: number): ProofOutcome {
  sealHours(ledger, nowMs);
  const proof = proofOf(ledger.storage, position);
  if (proof !== undefined) return { kind: "proof", ...proof };
  const [line] = listTransactions(ledger, position + 1, 1, nowMs).lines;
  if (line?.position !== position) return { kind: "unknown" };
  const endsMs = hourOf(line) + MS_PER_HOUR + SEAL_AFTER_MS;
  return { kind: "unsealed", untilMs: endsMs > nowMs ? endsMs : nowMs + NEXT_TURN_MS };
}
