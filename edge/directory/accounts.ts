// The list of accounts: names, age, status, and the sums that each last reported. Only the account's object decides
// about its money and status; a row here follows it and serves lists.

import type { AccountStatus } from "../ledger/types.ts";
import type { AccountId } from "../../shared/ids.ts";
import { parseId } from "../../shared/ids.ts";
import { must } from "../../shared/assert.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import type { Directory } from "./directory.ts";
import { withDirectory } from "./directory.ts";

/** `deleting`: between the owner's request and the end of the deletion; a repeated request continues it. */
type DirectoryStatus = AccountStatus | "deleting" | "deleted";

export interface AccountRow {
  readonly id: AccountId;
  /** Empty once deleted: the tombstone keeps only id, times and sums. */
  readonly name: string;
  readonly email: string | null;
  readonly createdAtMs: number;
  readonly status: DirectoryStatus;
  readonly deletedAtMs: number | null;
  /** As last reported by the account's object. */
  readonly chargedNanoUsd: number;
  readonly writtenOffNanoUsd: number;
  readonly reportedAtMs: number | null;
}

export interface AccountsPage {
  readonly rows: readonly AccountRow[];
  readonly next?: string;
}

type StoredAccount = Omit<AccountRow, "id"> & { readonly id: string };
const SELECT =
  "SELECT id, name, email, created_at_ms AS createdAtMs, status, deleted_at_ms AS deletedAtMs, charged_nano_usd AS chargedNanoUsd, written_off_nano_usd AS writtenOffNanoUsd, reported_at_ms AS reportedAtMs FROM accounts";

export interface NewAccountRow {
  readonly id: AccountId;
  readonly name: string;
  readonly email?: string;
  readonly createdAtMs: number;
}

/** Adds an active account; an existing one is not changed. Returns whether it is new. */
export async function insertAccount(directory: Directory, account: NewAccountRow): Promise<boolean> {
  const { meta } = await withDirectory(() =>
    directory
      .prepare(
        "INSERT INTO accounts (id, name, email, created_at_ms, status) VALUES (?, ?, ?, ?, 'active') ON CONFLICT DO NOTHING",
      )
      .bind(account.id, account.name, account.email ?? null, account.createdAtMs)
      .run(),
  );
  return meta.changes > 0;
}

/** Removes an account whose object was never set up. */
export function removeAccount(directory: Directory, id: AccountId): Promise<unknown> {
  return withDirectory(() => directory.prepare("DELETE FROM accounts WHERE id = ?").bind(id).run());
}

/** Newest first, `limit` rows after `cursor`. Undefined: not a cursor that we issued. */
export async function listAccounts(
  directory: Directory,
  cursor: string | undefined,
  limit: number,
): Promise<AccountsPage | undefined> {
  const after = cursor === undefined ? [Number.MAX_SAFE_INTEGER, ""] : decodeCursor(cursor);
  const [createdAtMs, id] = after ?? [];
  if (typeof createdAtMs !== "number" || typeof id !== "string") return undefined;
  const { results } = await withDirectory(() =>
    directory
      .prepare(`${SELECT} WHERE (created_at_ms, id) < (?, ?) ORDER BY created_at_ms DESC, id DESC LIMIT ?`)
      .bind(createdAtMs, id, limit + 1)
      .all<StoredAccount>(),
  );
  const rows = results.slice(0, limit).map(rowOf);
  const last = rows.at(-1);
  return results.length > limit && last !== undefined
    ? { rows, next: encodeCursor([last.createdAtMs, last.id]) }
    : { rows };
}

export async function findAccount(directory: Directory, id: AccountId): Promise<AccountRow | undefined> {
  const row = await withDirectory(() => directory.prepare(`${SELECT} WHERE id = ?`).bind(id).first<StoredAccount>());
  return row === null ? undefined : rowOf(row);
}

/** Copies the object's status into the row if it differs, never over a deletion. */
export function reflectStatus(directory: Directory, id: AccountId, status: AccountStatus): Promise<unknown> {
  return withDirectory(() =>
    directory
      .prepare("UPDATE accounts SET status = ? WHERE id = ? AND status IN ('active', 'suspended') AND status <> ?")
      .bind(status, id, status)
      .run(),
  );
}

/** Sums that an account's object reports, for the operator's totals. */
export interface ReportedBooks {
  readonly chargedNanoUsd: number;
  readonly writtenOffNanoUsd: number;
  readonly lostBoundNanoUsd: number;
}

/** Stores reported sums. They only grow, so the latest report wins. */
export function reportBooks(
  directory: Directory,
  id: AccountId,
  books: ReportedBooks & { readonly status: AccountStatus },
  nowMs: number,
): Promise<unknown> {
  return withDirectory(() =>
    directory
      .prepare(
        "UPDATE accounts SET charged_nano_usd = ?, written_off_nano_usd = ?, lost_bound_nano_usd = ?, reported_at_ms = ?, status = CASE WHEN status IN ('active', 'suspended') THEN ? ELSE status END WHERE id = ?",
      )
      .bind(books.chargedNanoUsd, books.writtenOffNanoUsd, books.lostBoundNanoUsd, nowMs, books.status, id)
      .run(),
  );
}

/** The first step of a deletion: from then on a repeated request finishes it. */
export function markDeleting(directory: Directory, id: AccountId): Promise<unknown> {
  return withDirectory(() =>
    directory.prepare("UPDATE accounts SET status = 'deleting' WHERE id = ? AND status <> 'deleted'").bind(id).run(),
  );
}

/** The last step: removes name and address; the tombstone stays for the audit log and the operator's totals. */
export function markDeleted(
  directory: Directory,
  id: AccountId,
  books: ReportedBooks,
  nowMs: number,
): Promise<unknown> {
  return withDirectory(() =>
    directory
      .prepare(
        "UPDATE accounts SET status = 'deleted', name = '', email = NULL, deleted_at_ms = ?, charged_nano_usd = ?, written_off_nano_usd = ?, lost_bound_nano_usd = ?, reported_at_ms = ? WHERE id = ?",
      )
      .bind(nowMs, books.chargedNanoUsd, books.writtenOffNanoUsd, books.lostBoundNanoUsd, nowMs, id)
      .run(),
  );
}

function rowOf(row: StoredAccount): AccountRow {
  return { ...row, id: must(parseId("account", row.id), "an account's id in the directory") };
}
