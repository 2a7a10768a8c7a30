-- Who signs in by other means than a key: GitHub's number of the person and the account it opens. The row outlives the
-- account, without anything else of the person, so that free credit is given once.

CREATE TABLE identities (
  provider TEXT NOT NULL,
  subject TEXT NOT NULL,
  account_id TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  accounts_made INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (provider, subject)
) WITHOUT ROWID;
