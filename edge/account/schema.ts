// The tables of an account's object. docs/storage.md lists every column and its life. Money and times are declared
// INTEGER, because numbers bind as REAL; text keys stand in WITHOUT ROWID tables, because a rowid table with a text key
// writes a second row for its index; no other index exists, because index rows are billed too.

export const SCHEMA = [
  `CREATE TABLE hot (id INTEGER PRIMARY KEY, body TEXT NOT NULL)`,
  `CREATE TABLE keys (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE grants (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE segments (id INTEGER PRIMARY KEY, level INTEGER NOT NULL, start_ms INTEGER NOT NULL, end_ms INTEGER NOT NULL, body TEXT NOT NULL)`,
  `CREATE TABLE statement (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, body TEXT NOT NULL)`,
  `CREATE TABLE refs (ref TEXT PRIMARY KEY) WITHOUT ROWID`,
  `CREATE TABLE audit (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, facts TEXT NOT NULL)`,
  `CREATE TABLE idempotency (route TEXT NOT NULL, key TEXT NOT NULL, body_hash TEXT NOT NULL, session TEXT NOT NULL, expires_ms INTEGER NOT NULL, done INTEGER NOT NULL, meta TEXT, PRIMARY KEY (route, key)) WITHOUT ROWID`,
  `CREATE TABLE idempotency_parts (route TEXT NOT NULL, key TEXT NOT NULL, part INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (route, key, part)) WITHOUT ROWID`,
] as const;
