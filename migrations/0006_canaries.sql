-- The canary texts' vectors of each revision of a model, as they were published: a chain, in which each entry holds the
-- hash of the one before. Rows are added and never changed (edge/canaries/).

CREATE TABLE canaries (
  model TEXT NOT NULL,
  position INTEGER NOT NULL,
  revision TEXT NOT NULL,
  entry TEXT NOT NULL,
  kid TEXT NOT NULL,
  signature TEXT NOT NULL,
  vectors TEXT NOT NULL,
  PRIMARY KEY (model, position),
  UNIQUE (model, revision)
);
