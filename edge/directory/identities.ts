// Maps a person of another service to an account. The row is written before the account is created, so that two
// sign-ins at once, or an interrupted one and its repeat, agree on one account. Creating that account again has no
// effect.

import type { AccountId } from "../../shared/ids.ts";
import { newId, parseId } from "../../shared/ids.ts";
import { must } from "../../shared/assert.ts";
import type { Directory } from "./directory.ts";
import { withDirectory } from "./directory.ts";

export interface Identity {
  readonly accountId: AccountId;
  /** 1 if this account is the person's first. */
  readonly accountsMade: number;
}

type Row = Omit<Identity, "accountId"> & { readonly accountId: string };
const COLUMNS = "account_id AS accountId, accounts_made AS accountsMade";

/** The person's account; a new id if there is none. Throws `directory_unavailable`. */
export async function identify(
  directory: Directory,
  provider: "github",
  subject: string,
  nowMs: number,
): Promise<Identity> {
  const row = await withDirectory(async () => {
    await directory
      .prepare(
        "INSERT INTO identities (provider, subject, account_id, created_at_ms) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
      )
      .bind(provider, subject, newId("account"), nowMs)
      .run();
    return directory
      .prepare(`SELECT ${COLUMNS} FROM identities WHERE provider = ? AND subject = ?`)
      .bind(provider, subject)
      .first<Row>();
  });
  return identityOf(must(row ?? undefined, "the identity just written"));
}

/** Gives a person who deleted account `gone` and signs in again another account, which is not their first. */
export async function replaceAccount(
  directory: Directory,
  provider: "github",
  subject: string,
  gone: AccountId,
): Promise<Identity> {
  const row = await withDirectory(() =>
    directory
      .prepare(
        `UPDATE identities SET account_id = iif(account_id = ?, ?, account_id), accounts_made = accounts_made + iif(account_id = ?, 1, 0) WHERE provider = ? AND subject = ? RETURNING ${COLUMNS}`,
      )
      .bind(gone, newId("account"), gone, provider, subject)
      .first<Row>(),
  );
  return identityOf(must(row ?? undefined, "the identity of who signs in"));
}

function identityOf(row: Row): Identity {
  return { ...row, accountId: must(parseId("account", row.accountId), "an account's id") };
}
