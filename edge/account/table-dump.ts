// An object's whole storage as plain data, and back: every table with its definition and rows, so that whatever the
// ledger keeps (balances, keys' hashes, usage, statement, references, Idempotency-Keys) comes back as it was, to the bit.

import * as z from "zod";

/** An RPC carries 32 MiB. Beyond it finished answers of Idempotency-Keys stay out: they live a day. */
const DUMP_BYTES_MAX = 28 * 1024 * 1024;
const LEAVE_OUT = "idempotency_parts";
const NAME = /^[a-z][a-z0-9_]*$/;

const value = z.union([z.string(), z.number(), z.null(), z.strictObject({ base64: z.string() })]);
const tableSchema = z.strictObject({
  name: z.string().regex(NAME),
  /** `CREATE TABLE name (…)` and nothing behind it. */
  sql: z.string().regex(/^CREATE TABLE [a-z][a-z0-9_]* \([^;]*\)(?: WITHOUT ROWID)?$/),
  columns: z.array(z.string().regex(NAME)).min(1),
  rows: z.array(z.array(value)),
});
export const dumpSchema = z.strictObject({ tables: z.array(tableSchema).min(1) });
type Table = z.output<typeof tableSchema>;

/** JSON of dumpSchema; undefined: nothing is stored here. */
export function dumpTables(sql: SqlStorage): string | undefined {
  const found = sql
    .exec<{ name: string; sql: string }>(
      "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\' AND name NOT LIKE 'sqlite%' ORDER BY name",
    )
    .toArray();
  if (!found.some(({ name }) => name === "hot")) return undefined;
  const tables = found.map((table) => dumpTable(sql, table));
  const whole = JSON.stringify({ tables });
  if (whole.length <= DUMP_BYTES_MAX) return whole;
  return JSON.stringify({
    tables: tables.map((table) => (table.name === LEAVE_OUT ? { ...table, rows: [] } : table)),
  });
}

function dumpTable(sql: SqlStorage, { name, sql: definition }: { name: string; sql: string }): Table {
  const cursor = sql.exec(`SELECT * FROM ${name}`);
  const columns = cursor.columnNames;
  const rows = [...cursor.raw()].map((row) =>
    row.map((cell) => (cell instanceof ArrayBuffer ? { base64: new Uint8Array(cell).toBase64() } : cell)),
  );
  return { name, sql: definition.replaceAll(/\s+/g, " ").replaceAll("IF NOT EXISTS ", ""), columns, rows };
}

/** Into an object where nothing is stored. Throws ZodError for what no dump is; then nothing was written. */
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
