-- What watches the service from inside: the canary's calls, a row a day, and our own faults by code. No account, no text.

CREATE TABLE canary_days (
  day TEXT PRIMARY KEY,
  succeeded INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE canary_last (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  at_ms INTEGER NOT NULL,
  latency_ms INTEGER NOT NULL,
  reason TEXT,
  failures_in_row INTEGER NOT NULL
);

CREATE TABLE faults (
  code TEXT PRIMARY KEY,
  count INTEGER NOT NULL
) WITHOUT ROWID;
