-- Who asked for a model that is not served yet: a keyed hash of the person, never an address or an account.

CREATE TABLE wants (
  model TEXT NOT NULL,
  person TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  PRIMARY KEY (model, person)
) WITHOUT ROWID;
