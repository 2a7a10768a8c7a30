// The isolate's services: everything that keeps state in memory between requests (leases, look-ups, backend health).
// Built on the first request from the bindings, which never change while an isolate runs.

import { createWallet } from "./wallet/isolate-wallet.ts";
import { CanaryBook } from "./canaries/canary-book.ts";
import { Peppers } from "./keys/secret-hash.ts";
import type { LeaseWallet } from "./wallet/wallet.ts";
import type { MemoryBudget } from "./lib/memory-budget.ts";
import type { Pool } from "./backend/pool.ts";
import { sleep } from "./lib/cancel.ts";
import type { Env } from "./bindings.ts";
import { ModelBook } from "./directory/model-book.ts";
import { loadModelSettings } from "./directory/model-settings.ts";
import { createHotPath } from "./embedding/hot-path.ts";
import type { EmbedTexts } from "./embedding/types.ts";
import { writeLog } from "./lib/log.ts";
import { listedModels, supersededRevisions } from "./models/models.ts";
import type { Config } from "./settings.ts";
import { ConfigError, readConfig } from "./settings.ts";
import type { SigningKey } from "./signing/signing-key.ts";
import { signingKeyOf } from "./signing/signing-key.ts";
import { CanaryView } from "./watch/canary-view.ts";
import { FaultCounts } from "./watch/fault-counts.ts";
import type { CatalogModel } from "../shared/catalog.ts";
import { importHmacKey } from "../shared/hmac.ts";

export interface Services {
  readonly config: Config;
  /** The tag keys in force, current first. */
  readonly tagKeys: Promise<readonly CryptoKey[]>;
  /** Hashes of a key's secret, as the account stores them. */
  readonly peppers: Peppers;
  readonly wallet: LeaseWallet;
  readonly pool: Pool;
  readonly embedTexts: EmbedTexts;
  /** The isolate's memory, admitted by bytes. */
  readonly memory: MemoryBudget;
  /** The models with the operator's prices and statuses; `models`: as of now. */
  readonly modelBook: ModelBook;
  readonly models: readonly CatalogModel[];
  readonly faultCounts: FaultCounts;
  readonly canary: CanaryView;
  /** Undefined: this deployment signs nothing. */
  readonly signingKey: Promise<SigningKey | undefined>;
  readonly canaryBook: Promise<CanaryBook | undefined>;
}

/** For a batch's object, which has no request: entries that it caches in the data centre before one came are lost. */
const NO_ORIGIN = "https://embedding-cache.invalid";

let services: Services | undefined;
let ownOrigin: string | undefined;

/**
 * The isolate's services. `url`: the request's, whose host is the Worker's. Throws ConfigError while not configured.
 */
export function servicesOf(env: Env, url?: string): Services {
  if (url !== undefined) ownOrigin ??= new URL(url).origin;
  services ??= createServices(env);
  return services;
}

/** The same for work that no request asked for; undefined while not configured. */
export function servicesIfConfigured(env: Env): Services | undefined {
  try {
    return servicesOf(env);
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}

/** For tests in one isolate: the next request starts as in a new isolate. */
export function forgetServices(): void {
  services = undefined;
}

function createServices(env: Env): Services {
  const config = readConfig(env);
  // Logged once per isolate: features that are off although somebody meant them to be on.
  if (config.problems.length > 0) {
    writeLog({ level: "error", event: "configuration", message: config.problems.join(" ") });
  }
  const modelBook = new ModelBook({
    base: listedModels(config.BACKENDS.map((backend) => backend.model)),
    load: () => loadModelSettings({ directory: env.DIRECTORY, kv: env.EMBEDDING_CACHE }),
    now: () => Date.now(),
    sleep,
  });
  const peppers = new Peppers(current(config.KEY_PEPPER, config.KEY_PEPPER_PREVIOUS));
  const hotPath = createHotPath({
    backends: config.BACKENDS,
    backendSecret: config.BACKEND_SECRET,
    cacheSecret: config.CACHE_HMAC_KEY,
    kv: env.EMBEDDING_CACHE,
    ownOrigin: () => ownOrigin ?? NO_ORIGIN,
    hedgeAfterMs: config.HEDGE_AFTER_MS,
    superseded: (model) => supersededRevisions(model, modelBook.models),
  });
  const signingKey = signingKeyOf(config.SIGNING_KEY);
  return {
    config,
    tagKeys: Promise.all(current(config.KEY_TAG_SECRET, config.KEY_TAG_SECRET_PREVIOUS).map(importHmacKey)),
    peppers,
    wallet: createWallet(env.ACCOUNT, peppers),
    ...hotPath,
    modelBook,
    faultCounts: new FaultCounts(env.DIRECTORY, sleep),
    canary: new CanaryView(env.DIRECTORY, () => Date.now()),
    signingKey,
    canaryBook: signingKey.then(
      (key) =>
        key && new CanaryBook({ directory: env.DIRECTORY, pool: hotPath.pool, signingKey: key, now: () => Date.now() }),
    ),
    get models() {
      return modelBook.models;
    },
  };
}

/** The current value, then the previous one while it is rotated. */
function current(value: string, previous: string | undefined): readonly string[] {
  return previous === undefined ? [value] : [value, previous];
}
