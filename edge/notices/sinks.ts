// Where a notice goes: a webhook of the account, or its e-mail address. One interface, one attempt a call; expected
// failures are values, and say no more of the receiver than a status or a kind of failure: what it answered is not ours
// to store, and the caller chose the address.

import { signedHeaders } from "./signature.ts";
import { judgeTarget } from "./target.ts";

const ATTEMPT_TIMEOUT_MS = 10_000;

/** The runtime's fetch, or a test's. */
export type Send = (url: string, init: RequestInit) => Promise<Response>;

/** One event, as every sink gets it. */
export interface Notice {
  /** `evt_…`: the same at every try. */
  readonly id: string;
  /** `alert.triggered`, `webhook.test`, … */
  readonly type: string;
  /** The JSON that a webhook receives: `{type, timestamp, data}`. */
  readonly body: string;
  /** One line for people. */
  readonly summary: string;
}

export type Outcome =
  | { readonly kind: "delivered"; readonly detail: string }
  | { readonly kind: "failed"; readonly detail: string }
  /** Trying again cannot help: the receiver said so (410), or the address is not allowed any more. */
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
      // Judged again: what was allowed when it was made may not be allowed now.
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

/** Undefined: this deployment sends no e-mail, and routes say so. */
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

/** One request: no redirect is followed (it could lead anywhere), no body is read, ten seconds in all. */
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
