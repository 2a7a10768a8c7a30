// Seals of the statement: each hour's lines are the leaves of a Merkle tree, and its root stands in an entry with the hash
// of the entry before, so that who keeps an entry sees whether anything up to it was changed (docs/bill.md, Proofs).
// A seal is made when somebody asks: a charge costs no row more. Only lines of an hour that is over are sealed, and they
// never change: late reports are charged in the open hour (usage-history.ts). Pure over the storage port.

import { assert } from "../../shared/assert.ts";
import type { AccountId } from "../../shared/ids.ts";
import type { Ledger } from "./ledger.ts";
import { hashOfText, inclusionOf, rootOf } from "./merkle-tree.ts";
import { MS_PER_HOUR, hourOf, lineId } from "./statement.ts";
import type { StatementLine } from "./statement.ts";
import type { LedgerStorage, Seal } from "./storage.ts";

/** How long after its end an hour is sealed: an object's clock may be set back a little. */
export const SEAL_AFTER_MS = 60_000;
/** The most lines that one turn seals, or those of one hour. The next turn goes on. */
const LINES_A_TURN = 10_000;
const PAGES_A_READ = 50;

/** What an entry says, as JSON in this order. Its text is signed and hashed, so it is never written anew. */
interface SealEntry {
  readonly account: AccountId;
  readonly index: number;
  /** SHA-256 of the text of the entry before, in hex; null: this is the first. */
  readonly previous: string | null;
  /** Unix s of the hour's beginning. */
  readonly hour: number;
  readonly lines: number;
  /** The id of the hour's first line; the ids of an hour are without gap. */
  readonly first: string;
  /** In hex. */
  readonly root: string;
}

export interface LineProof {
  readonly leaf: string;
  /** The leaf's place in the tree. */
  readonly index: number;
  /** Hex. */
  readonly path: readonly string[];
  /** The text of the hour's entry. */
  readonly entry: string;
}

/** Seals the hours that are over, as far as one turn goes. */
export function sealHours(ledger: Ledger, nowMs: number): void {
  const { accountId, statement, storage } = ledger;
  if (statement.postBefore(nowMs - SEAL_AFTER_MS, storage)) ledger.touch();
  let before = newestSeal(storage);
  const from = before === undefined ? 1 : before.last + 1;
  for (const lines of finalHours(storage, from, nowMs)) {
    const [first] = lines;
    if (first === undefined) continue;
    const index = before === undefined ? 0 : before.index + 1;
    const entry: SealEntry = {
      account: accountId,
      index,
      previous: before === undefined ? null : hashOfText(before.entry),
      hour: hourOf(first) / 1000,
      lines: lines.length,
      first: lineId(first.position),
      root: rootOf(lines.map(leafOf)),
    };
    before = {
      index,
      first: first.position,
      last: first.position + lines.length - 1,
      entry: JSON.stringify(entry),
    };
    storage.putSeal(before);
  }
}

/** The proof of the line at `position`; undefined: it is not sealed. */
export function proofOf(storage: LedgerStorage, position: number): LineProof | undefined {
  const [seal] = storage.readSeals({ before: position + 1, limit: 1 });
  if (seal === undefined || position > seal.last) return undefined;
  const leaves = leavesOf(storage, seal);
  const index = position - seal.first;
  const { root, path } = inclusionOf(leaves, index);
  const { root: sealed }: SealEntry = JSON.parse(seal.entry);
  assert(root === sealed, "sealed lines never change");
  return { leaf: leaves[index] ?? "", index, path, entry: seal.entry };
}

/** The exact texts of a seal's lines, in order. */
export function leavesOf(storage: LedgerStorage, { first, last }: Seal): readonly string[] {
  const leaves: string[] = [];
  for (const line of linesFrom(storage, first)) {
    if (line.position > last) break;
    leaves.push(leafOf(line));
  }
  return leaves;
}

function newestSeal(storage: LedgerStorage): Seal | undefined {
  return storage.readSeals({ before: Number.MAX_SAFE_INTEGER, limit: 1 })[0];
}

/** The posted lines of each hour that is over, from position `from` on. */
function finalHours(storage: LedgerStorage, from: number, nowMs: number): readonly (readonly StatementLine[])[] {
  const hours: StatementLine[][] = [];
  let lines = 0;
  let openHourMs: number | undefined;
  for (const line of linesFrom(storage, from)) {
    const hourMs = hourOf(line);
    if (hourMs + MS_PER_HOUR + SEAL_AFTER_MS > nowMs) break;
    if (hourMs === openHourMs) hours.at(-1)?.push(line);
    else {
      if (lines >= LINES_A_TURN) break;
      hours.push([line]);
    }
    openHourMs = hourMs;
    lines += 1;
  }
  return hours;
}

/** Posted lines in their order, from position `from` on. */
function* linesFrom(storage: LedgerStorage, from: number): Generator<StatementLine> {
  for (let next = from; ;) {
    const pages = storage.readStatementFrom(next, PAGES_A_READ);
    for (const { last, body } of pages) {
      const lines: StatementLine[] = JSON.parse(body);
      for (const line of lines) if (line.position >= next) yield line;
      next = last + 1;
    }
    if (pages.length < PAGES_A_READ) return;
  }
}

/**
 * A line's text in version 1 (signed as `gigarouter statement 1`): whatever else the API may say of a line one day, this
 * stays as it is, because sealed roots are over it.
 */
function leafOf(line: StatementLine): string {
  return JSON.stringify({
    id: lineId(line.position),
    at: Math.floor(line.atMs / 1000),
    kind: line.kind,
    amount_nano_usd: line.amountNanoUsd,
    balance_after_nano_usd: line.balanceAfterNanoUsd,
    description: line.description,
    payment_id: line.paymentId,
    key_id: line.keyId,
    model: line.model,
  });
}
