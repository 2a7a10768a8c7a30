// An object's whole storage as plain data, and back: every table with its definition and rows, so that everything the
// ledger stores (balances, keys' hashes, usage, statement, references, Idempotency-Keys) is restored exactly.

import * as z from "zod";

/**
 * Stored answers of more bytes than this are left out: they live only a day, an RPC carries 32 MiB, and an object has
 * 128 MB of memory.
 */
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;
const ANSWERS = /^answers_/;
const NAME = /^[a-z][a-z0-9_]*$/;

const value = z.union([z.string(), z.number(), z.null(), z.strictObject({ base64: z.string() })]);
const tableSchema = z.strictObject({
  name: z.string().regex(NAME),
  /** `CREATE TABLE name (…)` and nothing after it. */
  sql: z.string().regex(/^CREATE TABLE [a-z][a-z0-9_]* \([^;]*\)(?: WITHOUT ROWID)?$/),
  columns: z.array(z.string().regex(NAME)).min(1),
  rows: z.array(z.array(value)),
});
export const dumpSchema = z.strictObject({ tables: z.array(tableSchema).min(1) });
type Table = z.output<typeof tableSchema>;

export function holdsTables(sql: SqlStorage): boolean {
  return sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'hot'").toArray().length > 0;
}

/** JSON of dumpSchema; undefined: nothing is stored here. */
export function dumpTables(sql: SqlStorage): string | undefined {
  if (!holdsTables(sql)) return undefined;
  const found = sql
    .exec<{ name: string; sql: string }>(
      "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\' AND name NOT LIKE 'sqlite%' ORDER BY name",
    )
    .toArray();
  const answers = found.filter(({ name }) => ANSWERS.test(name));
  const answerBytes = answers.reduce((sum, { name }) => sum + bytesIn(sql, name), 0);
  const isLeftOut = (name: string): boolean => ANSWERS.test(name) && answerBytes > ANSWER_BYTES_MAX;
  return JSON.stringify({ tables: found.map((table) => dumpTable(sql, table, isLeftOut(table.name))) });
}

function bytesIn(sql: SqlStorage, name: string): number {
  return Number(sql.exec(`SELECT SUM(LENGTH(bytes)) AS bytes FROM ${name}`).one()["bytes"] ?? 0);
}

/** `isEmpty`: only its definition, so that a segment of answers that the hot row names still has its table. */
function dumpTable(
  sql: SqlStorage,
  { name, sql: definition }: { readonly name: string; readonly sql: string },
  isEmpty: boolean,
): Table {
  const cursor = sql.exec(`SELECT * FROM ${name}${isEmpty ? " LIMIT 0" : ""}`);
  const columns = cursor.columnNames;
  const rows = [...cursor.raw()].map((row) =>
    row.map((cell) => (cell instanceof ArrayBuffer ? { base64: new Uint8Array(cell).toBase64() } : cell)),
  );
  return { name, sql: definition.replaceAll(/\s+/g, " ").replaceAll("IF NOT EXISTS ", ""), columns, rows };
}

/** Restores into an object that stores nothing. Throws ZodError, before any write, if `json` is not a dump. */
export function restoreTables(sql: SqlStorage, json: string): void {
  for (const { name, sql: definition, columns, rows } of dumpSchema.parse(JSON.parse(json)).tables) {
    if (!definition.startsWith(`CREATE TABLE ${name} (`)) throw new TypeError(`another table's definition: ${name}`);
    sql.exec(definition);
    const places = columns.map(() => "?").join(", ");
    for (const row of rows) {
      const cells = row.map((cell) =>
        typeof cell === "object" && cell !== null ? Uint8Array.fromBase64(cell.base64).buffer : cell,
      );
      sql.exec(`INSERT INTO ${name} (${columns.join(", ")}) VALUES (${places})`, ...cells);
    }
  }
}
