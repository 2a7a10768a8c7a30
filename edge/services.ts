// One set of services per isolate: whatever keeps state in memory between requests (leases, look-ups, backend health).
// Built on the first request from the isolate's bindings, which never change under a running isolate.

import { CacheKeys } from "./cache/key.ts";
import type { Config, Env } from "./config.ts";
import { readConfig } from "./config.ts";
import type { Wallet } from "./account/types.ts";
import type { CatalogModel } from "../shared/catalog.ts";
import { importHmacKey } from "../shared/hmac.ts";
import { listedModels } from "./models.ts";

export interface Services {
  readonly config: Config;
  /** The tag keys in force, current first. */
  readonly tagKeys: Promise<readonly CryptoKey[]>;
  readonly wallet: Wallet;
  readonly pool: Pool;
  readonly embedTexts: EmbedTexts;
  readonly models: readonly CatalogModel[];
}
