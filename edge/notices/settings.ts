// Settings of webhooks and e-mail. All are optional: without them webhooks go only to public addresses, and no e-mail
// is sent.

import type { EmailConfig } from "./sinks.ts";

export interface NoticeSettings {
  /** Hosts of this deployment, to which no webhook may go: JSON as in wrangler.toml, and the operator's host. */
  readonly BACKENDS?: string;
  readonly ADMIN_HOST?: string;
  /** Sends to webhooks where the platform's own fetch reaches more than the public internet. */
  readonly WEBHOOK_EGRESS?: Pick<Fetcher, "fetch">;
  /** `true` in development: webhooks may go to http://127.0.0.1. */
  readonly WEBHOOK_ALLOW_LOOPBACK?: string;
  /** An HTTP API that takes `{from, to, subject, text}` with a bearer key; it needs all three. */
  readonly EMAIL_API_URL?: string;
  readonly EMAIL_API_KEY?: string;
  readonly EMAIL_FROM?: string;
}

/** Host names of this deployment. `requestUrl`: the URL of the current request. */
export function ownHosts({ BACKENDS, ADMIN_HOST }: NoticeSettings, requestUrl?: string): string[] {
  // edge/settings.ts validates BACKENDS; here only its host names matter.
  const origins = [...(BACKENDS ?? "").matchAll(/https?:\/\/[^"\s]+/g)].map(([origin]) => origin);
  const all = [...origins, ...(ADMIN_HOST === undefined ? [] : [`https://${ADMIN_HOST}`]), requestUrl ?? ""];
  return all.flatMap((url) => (URL.canParse(url) ? [new URL(url).hostname] : []));
}

export function allowsLoopback(settings: NoticeSettings): boolean {
  return settings.WEBHOOK_ALLOW_LOOPBACK === "true";
}

/** Undefined: e-mail is not configured. */
export function emailConfig(settings: NoticeSettings): EmailConfig | undefined {
  const { EMAIL_API_URL: apiUrl, EMAIL_API_KEY: apiKey, EMAIL_FROM: from } = settings;
  return apiUrl && URL.canParse(apiUrl) && apiKey && from ? { apiUrl, apiKey, from } : undefined;
}
