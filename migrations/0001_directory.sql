-- The directory: what needs a list over accounts, off the hot path. An account's money is in its own object alone.

CREATE TABLE accounts (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  email TEXT,
  created_at_ms INTEGER NOT NULL,
  status TEXT NOT NULL,
  deleted_at_ms INTEGER,
  charged_nano_usd INTEGER NOT NULL DEFAULT 0,
  written_off_nano_usd INTEGER NOT NULL DEFAULT 0,
  reported_at_ms INTEGER
) WITHOUT ROWID;

CREATE INDEX accounts_by_age ON accounts (created_at_ms DESC, id DESC);

CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at_ms INTEGER NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  target TEXT NOT NULL,
  facts TEXT NOT NULL,
  outcome TEXT
);

CREATE TABLE models (
  id TEXT PRIMARY KEY,
  body TEXT NOT NULL,
  updated_at_ms INTEGER NOT NULL
) WITHOUT ROWID;
