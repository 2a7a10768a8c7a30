// Delivers a notice to a webhook of the account or to its e-mail address: one attempt per call. Expected failures are
// return values that name only a status or a kind of failure: the customer chose the address, and the receiver's answer
// is not ours to store.

import { signedHeaders } from "./signature.ts";
import { judgeTarget } from "./target.ts";

const ATTEMPT_TIMEOUT_MS = 10_000;

/** The runtime's fetch, or a test's. */
export type Send = (url: string, init: RequestInit) => Promise<Response>;

/** One event that an account is told, as every sink gets it. */
export interface Notice {
  /** `evt_…`: the same at every try. */
  readonly id: string;
  /** `alert.triggered`, `webhook.test`, … */
  readonly type: string;
  /** The JSON that a webhook receives (`noticeOf`). */
  readonly body: string;
  /** One line for people. */
  readonly summary: string;
}

export type Outcome =
  | { readonly kind: "delivered"; readonly detail: string }
  | { readonly kind: "failed"; readonly detail: string }
  /** A retry cannot help: the receiver answered 410, or the address is not allowed any more. */
  | { readonly kind: "gone"; readonly detail: string };

export interface Sink {
  deliver(notice: Notice, nowMs: number): Promise<Outcome>;
}

export interface WebhookTarget {
  readonly url: string;
  /** All of them sign. */
  readonly secrets: readonly string[];
}

export interface TargetRules {
  readonly allowLoopback: boolean;
  readonly ownHosts: readonly string[];
}

export function webhookSink(target: WebhookTarget, send: Send, rules: TargetRules): Sink {
  return {
    async deliver(notice, nowMs) {
      // Checked again, because an address that was allowed at creation may not be allowed now.
      const judged = judgeTarget(target.url, rules.allowLoopback, rules.ownHosts);
      if (judged.kind === "refused") return { kind: "gone", detail: `address not allowed: must be ${judged.rule}` };
      const headers = {
        "content-type": "application/json",
        "user-agent": "gigarouter-webhooks/1",
        ...(await signedHeaders(target.secrets, notice.id, nowMs, notice.body)),
      };
      return attempt(send, judged.url, { method: "POST", headers, body: notice.body });
    },
  };
}

export interface EmailConfig {
  /** An HTTP API that takes `{from, to, subject, text}` with a bearer key (Resend's shape). */
  readonly apiUrl: string;
  readonly apiKey: string;
  readonly from: string;
}

/** Undefined: this deployment sends no e-mail, or the account has no address. */
export function emailSink(config: EmailConfig | undefined, to: string | undefined, send: Send): Sink | undefined {
  if (config === undefined || to === undefined) return undefined;
  return {
    deliver: (notice) =>
      attempt(send, config.apiUrl, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          authorization: `Bearer ${config.apiKey}`,
          "idempotency-key": notice.id,
        },
        body: JSON.stringify({ from: config.from, to: [to], subject: notice.summary, text: notice.summary }),
      }),
  };
}

/** One request of at most ten seconds. It follows no redirect, which could lead anywhere, and reads no body. */
async function attempt(send: Send, url: string, init: RequestInit): Promise<Outcome> {
  let response: Response;
  try {
    response = await send(url, { ...init, redirect: "manual", signal: AbortSignal.timeout(ATTEMPT_TIMEOUT_MS) });
  } catch (error) {
    const timedOut = error instanceof DOMException && (error.name === "TimeoutError" || error.name === "AbortError");
    return { kind: "failed", detail: timedOut ? `no answer within ${ATTEMPT_TIMEOUT_MS / 1000} s` : "no connection" };
  }
  await response.body?.cancel();
  const detail = `HTTP ${response.status}`;
  if (response.status >= 200 && response.status < 300) return { kind: "delivered", detail };
  if (response.status === 410) return { kind: "gone", detail };
  if (response.status >= 300 && response.status < 400)
    return { kind: "failed", detail: `${detail}: redirects are not followed` };
  return { kind: "failed", detail };
}
