// The Worker's configuration: read once per isolate from its bindings, checked as a whole, typed. Half a configuration
// is refused with one sentence that names what is missing; every default of product.md stands here.

import * as z from "zod";
import type { AccountWithBilling } from "./billing/account-with-billing.ts";
import type { BatchObject } from "./batch/batch.ts";
import type { LibraryObject } from "./files/library.ts";
import type { StripeSettings } from "./billing/stripe.ts";
import type { GitHubSettings } from "./session/github.ts";
import type { NoticeSettings } from "./webhooks/settings.ts";

/** The Worker's bindings (wrangler.toml) and secrets. */
export interface Env extends NoticeSettings, StripeSettings, GitHubSettings {
  readonly ACCOUNT: DurableObjectNamespace<AccountWithBilling>;
  readonly BATCH: DurableObjectNamespace<BatchObject>;
  readonly LIBRARY: DurableObjectNamespace<LibraryObject>;
  readonly EMBEDDING_CACHE: KVNamespace;
  readonly DIRECTORY: D1Database;
  readonly FILES: R2Bucket;
  /** What pages load (edge/pages/assets.ts). */
  readonly ASSETS: Pick<Fetcher, "fetch">;
  readonly BACKENDS: string;
  readonly HEDGE_AFTER_MS?: string;
  readonly ADMIN_HOST?: string;
  readonly OTEL_EXPORTER_OTLP_ENDPOINT?: string;
  readonly OTEL_EXPORTER_OTLP_HEADERS?: string;
  readonly OTEL_TRACES_SAMPLER_ARG?: string;
  readonly LOG_REQUESTS?: string;
  readonly ADMIN_KEY: string;
  readonly ADMIN_KEY_PREVIOUS?: string;
  readonly BACKEND_SECRET: string;
  readonly KEY_TAG_SECRET: string;
  readonly KEY_TAG_SECRET_PREVIOUS?: string;
  readonly KEY_PEPPER: string;
  readonly KEY_PEPPER_PREVIOUS?: string;
  readonly CACHE_HMAC_KEY: string;
  readonly SESSION_SECRET: string;
  readonly SESSION_SECRET_PREVIOUS?: string;
}

const SECRET_LENGTH_MIN = 32;
const secret = z.string().min(SECRET_LENGTH_MIN);

const backendsSchema = z.array(z.strictObject({ model: z.string().min(3), origin: z.url({ protocol: /^https?$/ }) }));

/** Both or neither: a deployment that takes money must hear what became of it. */
const PAIRS = [
  ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"],
  ["GITHUB_CLIENT_ID", "GITHUB_CLIENT_SECRET"],
] as const;

const settingsSchema = z.object({
  BACKENDS: z.string().transform((text, context) => {
    try {
      return backendsSchema.parse(JSON.parse(text));
    } catch {
      context.addIssue({
        code: "custom",
        message: 'must be JSON like [{"model": "owner/name", "origin": "https://…"}]',
      });
      return z.NEVER;
    }
  }),
  /** A short call without an answer for so long is sent to one more backend; absent: never. */
  HEDGE_AFTER_MS: z.coerce.number().int().min(10).max(60_000).optional(),
  ADMIN_HOST: z.string().optional(),
  /** A collector's base URL (OTLP over HTTP), its headers as `name=value,…`, and the share of calls that are traced. */
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url().optional(),
  OTEL_EXPORTER_OTLP_HEADERS: z.string().optional(),
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number().min(0).max(1).optional(),
  /** The share of requests that leave a line in the log, 0..1; with any, every answer of our own fault does. */
  LOG_REQUESTS: z.coerce.number().min(0).max(1).optional(),
  ADMIN_KEY: secret,
  ADMIN_KEY_PREVIOUS: secret.optional(),
  BACKEND_SECRET: secret,
  KEY_TAG_SECRET: secret,
  KEY_TAG_SECRET_PREVIOUS: secret.optional(),
  KEY_PEPPER: secret,
  KEY_PEPPER_PREVIOUS: secret.optional(),
  CACHE_HMAC_KEY: secret,
  SESSION_SECRET: secret,
  SESSION_SECRET_PREVIOUS: secret.optional(),
  STRIPE_SECRET_KEY: z.string().min(1).optional(),
  STRIPE_WEBHOOK_SECRET: z.string().min(1).optional(),
  STRIPE_WEBHOOK_SECRET_PREVIOUS: z.string().min(1).optional(),
  STRIPE_API_ORIGIN: z.url().optional(),
  GITHUB_CLIENT_ID: z.string().min(1).optional(),
  GITHUB_CLIENT_SECRET: z.string().min(1).optional(),
});

export interface BackendOrigin {
  readonly model: string;
  readonly origin: string;
}

export interface Config extends z.infer<typeof settingsSchema> {
  readonly limits: typeof LIMITS;
}

/** Limits of one request and one isolate. Each has a name, because each has an error that names it. */
export const LIMITS = {
  bodyBytesMax: 8 * 1024 * 1024,
  /** A body of which nothing arrives for so long is given up: it holds memory. */
  bodyIdleMs: 10_000,
  requestDeadlineMs: 60_000,
  /** A call to a cold model is held this long before its 503 (`Prefer: wait=N` up to the second figure). */
  coldHoldMs: 25_000,
  coldHoldMsMax: 120_000,
} as const;

export class ConfigError extends Error {
  override name = "ConfigError";
}

/** Throws ConfigError naming the first setting that is missing or wrong; never shows a value. */
export function readConfig(env: object): Config {
  const result = settingsSchema.safeParse(env);
  if (result.success) {
    for (const pair of PAIRS) {
      const missing = pair.filter((name) => result.data[name] === undefined);
      if (missing.length === 1) throw new ConfigError(`The Worker is not configured: ${missing.join()} is missing.`);
    }
    return { ...result.data, limits: LIMITS };
  }
  const [issue] = result.error.issues;
  throw new ConfigError(
    `The Worker is not configured: ${issue?.path.join(".") ?? "settings"}: ${issue?.message ?? "wrong"}.`,
  );
}
