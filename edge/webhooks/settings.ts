// Settings of what an account is told by. All optional: without them webhooks go to public addresses alone, and no
// e-mail is sent.

import type { EmailConfig } from "./sinks.ts";

export interface NoticeSettings {
  /** `true` in development: webhooks may go to http://127.0.0.1. */
  readonly WEBHOOK_ALLOW_LOOPBACK?: string;
  /** An HTTP API that takes `{from, to, subject, text}` with a bearer key; it needs all three. */
  readonly EMAIL_API_URL?: string;
  readonly EMAIL_API_KEY?: string;
  readonly EMAIL_FROM?: string;
}

export function allowsLoopback(settings: NoticeSettings): boolean {
  return settings.WEBHOOK_ALLOW_LOOPBACK === "true";
}

/** Undefined: e-mail is not configured. */
export function emailConfig(settings: NoticeSettings): EmailConfig | undefined {
  const { EMAIL_API_URL: apiUrl, EMAIL_API_KEY: apiKey, EMAIL_FROM: from } = settings;
  return apiUrl && URL.canParse(apiUrl) && apiKey && from ? { apiUrl, apiKey, from } : undefined;
}
