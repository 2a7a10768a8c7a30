// The tables of an account's object. docs/storage.md lists every column and its life. Money and times are declared
// INTEGER, because numbers bind as REAL; text keys stand in WITHOUT ROWID tables, because a rowid table with a text key
// writes a second row for its index; no other index exists, because index rows are billed too.

/** The table of one segment of stored answers (answer-log.ts). */
export const answersTable = (segment: number): string => `answers_${segment}`;
export const answersSchema = (segment: number): string =>
  `CREATE TABLE IF NOT EXISTS ${answersTable(segment)} (route TEXT NOT NULL, key TEXT NOT NULL, part INTEGER NOT NULL, body_hash TEXT, session TEXT, at_ms INTEGER, meta TEXT, bytes BLOB NOT NULL, PRIMARY KEY (route, key, part)) WITHOUT ROWID`;

export const SCHEMA = [
  `CREATE TABLE IF NOT EXISTS hot (id INTEGER PRIMARY KEY, body TEXT NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS keys (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS grants (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS segments (id INTEGER PRIMARY KEY, level INTEGER NOT NULL, start_ms INTEGER NOT NULL, end_ms INTEGER NOT NULL, body TEXT NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS statement (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, body TEXT NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS refs (ref TEXT PRIMARY KEY) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS audit (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, facts TEXT NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS receipts (name TEXT PRIMARY KEY, until_ms INTEGER NOT NULL, receipt TEXT NOT NULL) WITHOUT ROWID`,
] as const;
