-- What an account's isolates that died may have left unreported, at most: summed for the operator.

ALTER TABLE accounts ADD COLUMN lost_bound_nano_usd INTEGER NOT NULL DEFAULT 0;
