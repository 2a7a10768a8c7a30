// The D1 migrations of a development machine, run as `wrangler d1 migrations apply` runs them: the missing ones, in the
// order of their file names. A Worker of its own inside the runtime runs them, because Miniflare's `getD1Database` starts a
// thread in our process and blocks it at each step: a third of all processor time of a start.

import { readFileSync, readdirSync } from "node:fs";
import { resolve } from "node:path";
import type { Miniflare, WorkerOptions } from "miniflare";
import { ROOT } from "./options.ts";

export interface MigratedDatabase {
  readonly database_id: string;
  /** Relative to the repository's root; absent: the database has no migrations. */
  readonly migrations_dir?: string | undefined;
}

const NAME = "migrations";
const WORKER = `export default {
  async fetch(_request, { MIGRATIONS, ...databases }) {
    for (const [binding, migrations] of MIGRATIONS) {
      const database = databases[binding];
      await database.exec("CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)");
      const { results } = await database.prepare("SELECT name FROM d1_migrations").all();
      const known = new Set(results.map((row) => row.name));
      for (const { name, statements } of migrations) {
        if (known.has(name)) continue;
        const noted = database.prepare("INSERT INTO d1_migrations (name) VALUES (?)").bind(name);
        await database.batch([...statements.map((statement) => database.prepare(statement)), noted]);
      }
    }
    return new Response();
  }
}`;

/** The Worker that runs the migrations of these databases whenever it is called. */
export function migrationsWorker(databases: readonly MigratedDatabase[], compatibilityDate: string): WorkerOptions {
  const named = databases.map((database, index) => [`DATABASE_${index}`, database] as const);
  return {
    name: NAME,
    modules: [{ type: "ESModule", path: "migrations.mjs", contents: WORKER }],
    compatibilityDate,
    bindings: { MIGRATIONS: named.map(([binding, { migrations_dir: folder }]) => [binding, migrationsOf(folder)]) },
    d1Databases: Object.fromEntries(named.map(([binding, { database_id }]) => [binding, database_id])),
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
  };
}

/** Rejects when a migration fails. */
export async function applyMigrations(miniflare: Miniflare): Promise<void> {
  const { ok, status } = await fetch(await miniflare.unsafeGetDirectURL(NAME));
  if (!ok) throw new Error(`The migrations of the directory's tables failed (${status}): the log says why.`);
}

function migrationsOf(folder: string | undefined) {
  if (folder === undefined) return [];
  const names = readdirSync(resolve(ROOT, folder)).filter((file) => file.endsWith(".sql"));
  return names.toSorted().map((name) => ({
    name,
    statements: splitStatements(readFileSync(resolve(ROOT, folder, name), "utf8")),
  }));
}

/** Splits a migration into statements. In ours, `;` only ends statements, and comments are whole lines. */
function splitStatements(sql: string): readonly string[] {
  return sql
    .replaceAll(/^\s*--.*$/gm, "")
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== "");
}
