// The Worker's bindings, as the runtime hands them over. What the settings among them mean is settings.ts.

import type { AccountObject } from "./account/account.ts";
import type { BatchCalls } from "./files/batch-calls.ts";
import type { LibraryObject } from "./files/library.ts";
import type { StripeSettings } from "./billing/stripe.ts";
import type { NoticeSettings } from "./notices/settings.ts";

/** The Worker's bindings (wrangler.toml) and secrets. */
export interface Env extends NoticeSettings, StripeSettings {
  readonly ACCOUNT: DurableObjectNamespace<AccountObject>;
  readonly BATCH: DurableObjectNamespace<BatchCalls>;
  readonly LIBRARY: DurableObjectNamespace<LibraryObject>;
  readonly EMBEDDING_CACHE: KVNamespace;
  readonly DIRECTORY: D1Database;
  readonly FILES: R2Bucket;
  /** What pages load (edge/pages/assets.ts). */
  readonly ASSETS: Pick<Fetcher, "fetch">;
  /** Cloudflare's name of the deployed version; absent in development. */
  readonly VERSION?: { readonly id: string };
  readonly BACKENDS: string;
  readonly HEDGE_AFTER_MS?: string;
  readonly ADMIN_HOST?: string;
  readonly OTEL_EXPORTER_OTLP_ENDPOINT?: string;
  readonly OTEL_EXPORTER_OTLP_HEADERS?: string;
  readonly OTEL_TRACES_SAMPLER_ARG?: string;
  readonly LOG_REQUESTS?: string;
  readonly FREE_CREDIT_USD?: string;
  readonly FREE_CREDIT_AGE_DAYS?: string;
  readonly FREE_CREDIT_ASKS_CARD?: string;
  readonly OPERATOR_NAME?: string;
  readonly OPERATOR_ADDRESS?: string;
  readonly CONTACT_EMAIL?: string;
  readonly CANARY_URL?: string;
  readonly CANARY_KEY?: string;
  readonly CANARY_MODEL?: string;
  readonly ALERT_WEBHOOK_URL?: string;
  readonly METRICS_KEY?: string;
  readonly GITHUB_CLIENT_ID?: string;
  readonly GITHUB_CLIENT_SECRET?: string;
  readonly GITHUB_ORIGIN?: string;
  readonly GITHUB_API_ORIGIN?: string;
  readonly ADMIN_KEY: string;
  readonly ADMIN_KEY_PREVIOUS?: string;
  readonly BACKEND_SECRET: string;
  readonly KEY_TAG_SECRET: string;
  readonly KEY_TAG_SECRET_PREVIOUS?: string;
  readonly KEY_PEPPER: string;
  readonly KEY_PEPPER_PREVIOUS?: string;
  readonly STORAGE_SECRET?: string;
  readonly STORAGE_SECRET_PREVIOUS?: string;
  readonly CACHE_HMAC_KEY: string;
  readonly SESSION_SECRET: string;
  readonly SESSION_SECRET_PREVIOUS?: string;
}
