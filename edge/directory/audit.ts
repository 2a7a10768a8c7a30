// The operator's audit log: who did what, when, to what, with facts that hold no secret. A row is written before the
// act, so that every act has one, and its outcome after it. A row without an outcome is an act that was interrupted;
// the account's own log (acts.ts) says whether it happened.

import { ApiError } from "../../shared/errors.ts";
import { must } from "../../shared/assert.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import type { Directory } from "./directory.ts";
import { withDirectory } from "./directory.ts";

export interface AuditEntry {
  readonly atMs: number;
  /** `operator from 203.0.113.7`, `key_…`. */
  readonly actor: string;
  readonly action: string;
  /** The id of the thing that was changed. */
  readonly target: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

export interface AuditRow extends AuditEntry {
  readonly id: number;
  /** `done`, an error code, or null (interrupted). */
  readonly outcome: string | null;
}

export interface AuditPage {
  readonly rows: readonly AuditRow[];
  readonly next?: string;
}

/** Writes `entry`, runs `act`, writes the outcome. Throws what `act` throws; without the entry `act` does not run. */
export async function audited<Result>(
  directory: Directory,
  entry: AuditEntry,
  act: () => Promise<Result>,
): Promise<Result> {
  const id = await appendAudit(directory, entry);
  try {
    const result = await act();
    await noteOutcome(directory, id, "done");
    return result;
  } catch (error) {
    await noteOutcome(directory, id, error instanceof ApiError ? error.fault.code : "internal_error");
    throw error;
  }
}

async function appendAudit(directory: Directory, { atMs, actor, action, target, facts }: AuditEntry): Promise<number> {
  const row = await withDirectory(() =>
    directory
      .prepare("INSERT INTO audit (at_ms, actor, action, target, facts) VALUES (?, ?, ?, ?, ?) RETURNING id")
      .bind(atMs, actor, action, target, JSON.stringify(facts))
      .first<{ id: number }>(),
  );
  return must(row, "the row of an insert that returns it").id;
}

/** The act is over, so a failure to write its outcome is ignored: an absent outcome means unknown. */
async function noteOutcome(directory: Directory, id: number, outcome: string): Promise<void> {
  await directory
    .prepare("UPDATE audit SET outcome = ? WHERE id = ?")
    .bind(outcome, id)
    .run()
    .catch(() => undefined);
}

/** Newest first, `limit` rows after `cursor`. Undefined: not a cursor that we issued. */
export async function listAudit(
  directory: Directory,
  cursor: string | undefined,
  limit: number,
): Promise<AuditPage | undefined> {
  const [before] = cursor === undefined ? [Number.MAX_SAFE_INTEGER] : (decodeCursor(cursor) ?? []);
  if (typeof before !== "number") return undefined;
  const { results } = await withDirectory(() =>
    directory
      .prepare(
        "SELECT id, at_ms AS atMs, actor, action, target, facts, outcome FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?",
      )
      .bind(before, limit + 1)
      .all<Omit<AuditRow, "facts"> & { readonly facts: string }>(),
  );
  const rows = results.slice(0, limit).map((row) => ({ ...row, facts: factsOf(row.facts) }));
  const last = rows.at(-1);
  return results.length > limit && last !== undefined ? { rows, next: encodeCursor([last.id]) } : { rows };
}

/** Our own data, so it is trusted. */
function factsOf(text: string): Readonly<Record<string, unknown>> {
  const facts: Readonly<Record<string, unknown>> = JSON.parse(text);
  return facts;
}
