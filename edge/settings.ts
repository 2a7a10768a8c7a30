// The Worker's settings: read once per isolate from its bindings, checked as a whole, typed; every default is here. Only
// what an embedding cannot do without refuses the configuration. An optional feature that is half set or wrong is off,
// and `problems` says so: the log, GET /ready and `npm run doctor` show it. `npm run deploy` reads the same.

import * as z from "zod";
import { nanoUsd, parseUsd } from "../shared/money.ts";

const SECRET_LENGTH_MIN = 32;
const secret = z.string({ error: "is missing" }).min(SECRET_LENGTH_MIN, {
  error: `must have at least ${SECRET_LENGTH_MIN} characters`,
});
const text = z.string().min(1);
const url = z.url({ protocol: /^https?$/, error: "must be a URL (https://…)" });
const yesOrNo = z.enum(["true", "false"], { error: "must be true or false" }).transform((word) => word === "true");
const share = z.coerce.number({ error: "must be a number from 0 to 1" }).min(0).max(1);

const backendsSchema = z.array(
  z.strictObject({
    model: z.string().min(3),
    origin: z.url({ protocol: /^https?$/ }),
    /** It may be absent by design: a replica that runs only under load. */
    standby: z.boolean().default(false),
  }),
);

/** Without one of these nothing can be embedded. */
const required = {
  BACKENDS: z.string({ error: "is missing" }).transform((given, context) => {
    try {
      return backendsSchema.parse(JSON.parse(given));
    } catch {
      context.addIssue({
        code: "custom",
        message: 'must be JSON like [{"model": "owner/name", "origin": "https://…"}]',
      });
      return z.NEVER;
    }
  }),
  BACKEND_SECRET: secret,
  KEY_TAG_SECRET: secret,
  KEY_PEPPER: secret,
  CACHE_HMAC_KEY: secret,
};

const HEDGE_RULE = "must be a whole number of milliseconds from 10 to 60000";

const DAYS_RULE = "must be a whole number of days, 0 or more";

const optional = {
  /** Without it the operator's routes refuse every call. */
  ADMIN_KEY: secret,
  ADMIN_KEY_PREVIOUS: secret,
  KEY_TAG_SECRET_PREVIOUS: secret,
  KEY_PEPPER_PREVIOUS: secret,
  /** Seals files and webhooks' secrets; absent: KEY_PEPPER does. */
  STORAGE_SECRET: secret,
  STORAGE_SECRET_PREVIOUS: secret,
  /** Without it no sign-in to the pages is possible. */
  SESSION_SECRET: secret,
  SESSION_SECRET_PREVIOUS: secret,
  /** A short call without an answer for so long is sent to one more backend; absent: never. */
  HEDGE_AFTER_MS: z.coerce
    .number({ error: HEDGE_RULE })
    .int({ error: HEDGE_RULE })
    .min(10, { error: HEDGE_RULE })
    .max(60_000, { error: HEDGE_RULE }),
  ADMIN_HOST: text,
  /** A collector's base URL (OTLP over HTTP), its headers as `name=value,…`, and the share of calls that are traced. */
  OTEL_EXPORTER_OTLP_ENDPOINT: url,
  OTEL_EXPORTER_OTLP_HEADERS: text,
  OTEL_TRACES_SAMPLER_ARG: share,
  /** The share of requests that leave a line in the log, 0..1. Every 5xx leaves one. */
  LOG_REQUESTS: share,
  STRIPE_SECRET_KEY: text,
  STRIPE_WEBHOOK_SECRET: text,
  STRIPE_WEBHOOK_SECRET_PREVIOUS: text,
  /** Whether Stripe adds tax to top-ups, on its page; absent: no. */
  STRIPE_AUTOMATIC_TAX: yesOrNo,
  STRIPE_API_ORIGIN: url,
  GITHUB_CLIENT_ID: text,
  GITHUB_CLIENT_SECRET: text,
  EMAIL_API_URL: url,
  EMAIL_API_KEY: text,
  EMAIL_FROM: text,
  /** Of a new account, once a person; 0: none. How old its account at GitHub must be; whether a card must be on file. */
  FREE_CREDIT_USD: z.string().transform((given, context) => {
    const amount = given === "0" ? nanoUsd(0) : parseUsd(given);
    if (amount !== undefined) return amount;
    context.addIssue({ code: "custom", message: "must be an amount of USD, like 5 or 0" });
    return z.NEVER;
  }),
  FREE_CREDIT_AGE_DAYS: z.coerce.number({ error: DAYS_RULE }).int({ error: DAYS_RULE }).min(0, { error: DAYS_RULE }),
  FREE_CREDIT_ASKS_CARD: yesOrNo,
  /** Who offers this, on /terms, /privacy, /contact and in security.txt. */
  OPERATOR_NAME: text,
  OPERATOR_ADDRESS: text,
  CONTACT_EMAIL: z.email({ error: "must be an e-mail address" }),
  /** The public base URL and a customer's key: edge/watch/canary.ts. Without a model the first of BACKENDS. */
  CANARY_URL: url,
  CANARY_KEY: text,
  CANARY_MODEL: text,
  /** Gets `{"text": …}` when the canary fails and when it is well again. */
  ALERT_WEBHOOK_URL: url,
  /** Reads GET /metrics and nothing else. */
  METRICS_KEY: secret,
};

type OptionalName = keyof typeof optional;

/** Every setting as the bindings hold it: text, not checked. */
export type SettingTexts = Readonly<Record<keyof typeof required, string> & Partial<Record<OptionalName, string>>>;

interface Feature {
  readonly what: string;
  /** All or none. */
  readonly settings: readonly OptionalName[];
}

/** What is on with all of its settings and off without one of them. */
export const FEATURES: readonly Feature[] = [
  { what: "top-ups by card", settings: ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"] },
  { what: "sign-in with GitHub", settings: ["GITHUB_CLIENT_ID", "GITHUB_CLIENT_SECRET"] },
  { what: "e-mail", settings: ["EMAIL_API_URL", "EMAIL_API_KEY", "EMAIL_FROM"] },
  { what: "the canary", settings: ["CANARY_URL", "CANARY_KEY"] },
];

/** Those whose value belongs into no file: `wrangler secret put NAME`. */
export const SECRET_SETTINGS: ReadonlySet<string> = new Set([
  ...[...Object.entries(required), ...Object.entries(optional)].flatMap(([name, schema]) =>
    schema === secret ? [name] : [],
  ),
  "STRIPE_SECRET_KEY",
  "STRIPE_WEBHOOK_SECRET",
  "STRIPE_WEBHOOK_SECRET_PREVIOUS",
  "GITHUB_CLIENT_SECRET",
  "EMAIL_API_KEY",
  "CANARY_KEY",
  "ALERT_WEBHOOK_URL",
  "OTEL_EXPORTER_OTLP_HEADERS",
]);

/** The operator's legal details; without them the legal pages say that they are missing. */
export const LEGAL_SETTINGS = ["OPERATOR_NAME", "OPERATOR_ADDRESS", "CONTACT_EMAIL"] as const;

/** What a deployment is expected to have, though embeddings do without. */
const EXPECTED: Readonly<Partial<Record<OptionalName, string>>> = {
  ADMIN_KEY: "the operator's routes answer nobody",
  SESSION_SECRET: "nobody can sign in to the pages",
};

const requiredSchema = z.object(required);
const optionalSchema = z.object(optional).partial();
type Optional = z.output<typeof optionalSchema>;

export interface Config extends Readonly<z.output<typeof requiredSchema>>, Readonly<Optional> {
  /** What is off although somebody meant it to be on: a sentence each, names of settings and never a value. */
  readonly problems: readonly string[];
  readonly limits: typeof LIMITS;
}

/** Limits of one request and one isolate. Each has a name, because each has an error that names it. */
export const LIMITS = {
  bodyBytesMax: 8 * 1024 * 1024,
  /** A body that stalls, crawls or takes longer is given up: it holds memory. Half of the deadline is for the work. */
  bodyPatience: { idleMs: 10_000, graceMs: 5000, bytesPerSecondMin: 16 * 1024, totalMs: 30_000 },
  requestDeadlineMs: 60_000,
  /** A call to a cold model is held this long before its 503 (`Prefer: wait=N` up to the second figure). */
  coldHoldMs: 25_000,
  coldHoldMsMax: 120_000,
} as const;

export class ConfigError extends Error {
  override name = "ConfigError";
}

/** Throws ConfigError naming every required setting that is missing or wrong; never shows a value. */
export function readConfig(env: object): Config {
  const needed = requiredSchema.safeParse(env);
  if (!needed.success) {
    const faults = needed.error.issues.map(({ path, message }) => `${path.join(".")} ${message}`);
    throw new ConfigError(`The Worker is not configured: ${faults.join("; ")}.`);
  }
  const { values, problems } = readOptional(env);
  return { ...needed.data, ...values, problems, limits: LIMITS };
}

/** The optional settings that are in force; those of an incomplete feature are not among them. */
function readOptional(env: object): { readonly values: Optional; readonly problems: readonly string[] } {
  const problems: string[] = [];
  // `wrangler secret put` stores an empty line too.
  const given = new Map(
    Object.entries(env).filter(([name, value]) => name in optional && value !== undefined && value !== ""),
  );
  const first = optionalSchema.safeParse(Object.fromEntries(given));
  for (const { path, message } of first.error?.issues ?? []) {
    given.delete(String(path[0]));
    problems.push(`${path.join(".")} ${message}: it is ignored.`);
  }
  for (const { what, settings } of FEATURES) {
    const missing = settings.filter((name) => !given.has(name));
    if (missing.length === 0 || missing.length === settings.length) continue;
    for (const name of settings) given.delete(name);
    problems.push(`${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} missing: ${what} is off.`);
  }
  for (const [name, then] of Object.entries(EXPECTED)) {
    if (!given.has(name)) problems.push(`${name} is missing: ${then}.`);
  }
  return { values: optionalSchema.parse(Object.fromEntries(given)), problems };
}
