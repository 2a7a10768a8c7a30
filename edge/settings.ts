// The Worker's settings: read once per isolate from its bindings, checked as a whole, typed, with every default. Only
// settings that embeddings cannot do without stop the Worker. An optional feature that is set by half or wrongly is
// off, and `problems` says so: in the log, GET /ready and `npm run doctor`. `npm run deploy` reads the same.

import * as z from "zod";
import { isKeyText } from "./signing/signing-key.ts";
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
    /** A replica that may be absent by design: it runs only under load. */
    standby: z.boolean().default(false),
  }),
);

/** Nothing can be embedded without these. */
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
  /** Seals files and webhooks' secrets; without it KEY_PEPPER does. */
  STORAGE_SECRET: secret,
  STORAGE_SECRET_PREVIOUS: secret,
  /** Without it no sign-in to the pages is possible. */
  SESSION_SECRET: secret,
  SESSION_SECRET_PREVIOUS: secret,
  /** The Ed25519 key of edge/signing/: 32 random bytes in base64url. Without it nothing is signed. */
  SIGNING_KEY: text.refine(isKeyText, { error: "must be 32 random bytes in base64url (43 characters, no padding)" }),
  /** Public keys of before, whose signatures still hold: the `x` of each, divided by commas. */
  SIGNING_KEYS_RETIRED: z.string().transform((given, context) => {
    const keys = given.split(",").map((key) => key.trim());
    if (keys.every(isKeyText)) return keys;
    context.addIssue({ code: "custom", message: "must be the `x` of public keys (43 characters each), comma between" });
    return z.NEVER;
  }),
  /** A short call that has no answer after this long is sent to one more backend; absent: never. */
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
  /** The share of requests with a log line, 0..1. Every 5xx has one. */
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
  /** A person's free credit (0: none); the least age of the person's GitHub account; whether a card must be saved. */
  FREE_CREDIT_USD: z.string().transform((given, context) => {
    const amount = given === "0" ? nanoUsd(0) : parseUsd(given);
    if (amount !== undefined) return amount;
    context.addIssue({ code: "custom", message: "must be an amount of USD, like 5 or 0" });
    return z.NEVER;
  }),
  FREE_CREDIT_AGE_DAYS: z.coerce.number({ error: DAYS_RULE }).int({ error: DAYS_RULE }).min(0, { error: DAYS_RULE }),
  FREE_CREDIT_ASKS_CARD: yesOrNo,
  /** The operator, for /terms, /privacy, /contact and security.txt. */
  OPERATOR_NAME: text,
  OPERATOR_ADDRESS: text,
  CONTACT_EMAIL: z.email({ error: "must be an e-mail address" }),
  /** The public base URL and a customer's key for edge/watch/canary.ts. Default model: the first of BACKENDS. */
  CANARY_URL: url,
  CANARY_KEY: text,
  CANARY_MODEL: text,
  /** Is sent `{"text": …}` when the canary fails and when it recovers. */
  ALERT_WEBHOOK_URL: url,
  /** Opens GET /metrics and nothing else. */
  METRICS_KEY: secret,
};

type OptionalName = keyof typeof optional;

/** Every setting as bindings hold it: unchecked text. */
export type SettingTexts = Readonly<Record<keyof typeof required, string> & Partial<Record<OptionalName, string>>>;

interface Feature {
  readonly what: string;
  /** All are set, or none. */
  readonly settings: readonly OptionalName[];
}

/** Features that need all of their settings. */
export const FEATURES: readonly Feature[] = [
  { what: "top-ups by card", settings: ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"] },
  { what: "sign-in with GitHub", settings: ["GITHUB_CLIENT_ID", "GITHUB_CLIENT_SECRET"] },
  { what: "e-mail", settings: ["EMAIL_API_URL", "EMAIL_API_KEY", "EMAIL_FROM"] },
  { what: "the canary", settings: ["CANARY_URL", "CANARY_KEY"] },
];

/** Settings whose values must not be in a file: `wrangler secret put NAME`. */
export const SECRET_SETTINGS: ReadonlySet<string> = new Set([
  ...[...Object.entries(required), ...Object.entries(optional)].flatMap(([name, schema]) =>
    schema === secret ? [name] : [],
  ),
  "SIGNING_KEY",
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

/** Settings that a deployment should have, though embeddings work without them. */
const EXPECTED: Readonly<Partial<Record<OptionalName, string>>> = {
  ADMIN_KEY: "the operator's routes answer nobody",
  SESSION_SECRET: "nobody can sign in to the pages",
  SIGNING_KEY: "nothing is signed",
};

const requiredSchema = z.object(required);
const optionalSchema = z.object(optional).partial();
type Optional = z.output<typeof optionalSchema>;

export interface Config extends Readonly<z.output<typeof requiredSchema>>, Readonly<Optional> {
  /** A sentence for each feature that is off although somebody meant it to be on: names of settings, never a value. */
  readonly problems: readonly string[];
  readonly limits: typeof LIMITS;
}

/** Limits of one request and one isolate. Each has a name, because each has an error that names it. */
export const LIMITS = {
  bodyBytesMax: 8 * 1024 * 1024,
  /**
   * A body that stalls, is slow or takes longer is given up: it holds memory. Half of the deadline is left for work.
   */
  bodyPatience: { idleMs: 10_000, graceMs: 5000, bytesPerSecondMin: 16 * 1024, totalMs: 30_000 },
  requestDeadlineMs: 60_000,
  /** How long a call waits for a cold model before its 503; `coldHoldMsMax`: with `Prefer: wait=N`. */
  coldHoldMs: 25_000,
  coldHoldMsMax: 120_000,
} as const;

export class ConfigError extends Error {
  override name = "ConfigError";
}

/** Throws ConfigError that names every required setting that is missing or wrong, and shows no value. */
export function readConfig(env: object): Config {
  const needed = requiredSchema.safeParse(env);
  if (!needed.success) {
    const faults = needed.error.issues.map(({ path, message }) => `${path.join(".")} ${message}`);
    throw new ConfigError(`The Worker is not configured: ${faults.join("; ")}.`);
  }
  const { values, problems } = readOptional(env);
  return { ...needed.data, ...values, problems, limits: LIMITS };
}

/** The optional settings in force, without those of incomplete features. */
function readOptional(env: object): { readonly values: Optional; readonly problems: readonly string[] } {
  const problems: string[] = [];
  // Empty counts as absent: `wrangler secret put` stores an empty line too.
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
