// The canary: once a minute (wrangler.toml, `crons`) one embedding through the public URL with a key of its own. What no
// part can say of itself, the whole says: a secret that is refused, a feature that stops everything, a ledger or a
// directory that is gone. Its result is in GET /status.json and GET /metrics; a failure is a line in the log and, the
// second in a row, an alert to `ALERT_WEBHOOK_URL`, as is the first success after it.

import type { Env } from "../bindings.ts";
import { describeError, writeLog } from "../lib/log.ts";
import { ConfigError, readConfig } from "../settings.ts";
import { recordCanary } from "./canary-record.ts";
import type { ProbeCall, ProbeResult } from "./probe.ts";
import { probe } from "./probe.ts";

/** One failure may be a deployment's moment. */
const FAILURES_TO_ALERT = 2;
/** A lasting failure is reported again this often, in minutes; also where nothing can be counted. */
const ALERT_AGAIN_AFTER = 60;
const MINUTE_MS = 60_000;
const ALERT_MS = 10_000;

export interface CanaryPorts {
  readonly fetch: ProbeCall["fetch"];
  readonly now: () => number;
}

export const REAL_PORTS: CanaryPorts = { fetch: (url, init) => fetch(url, init), now: () => Date.now() };

/** One turn of the canary; nothing where it is not configured. Never throws: whatever fails is a line in the log. */
export async function runCanary(env: Env, ports: CanaryPorts = REAL_PORTS): Promise<void> {
  try {
    const { CANARY_URL: url, CANARY_KEY: key, ALERT_WEBHOOK_URL: hook, ...config } = readConfig(env);
    const model = config.CANARY_MODEL ?? config.BACKENDS[0]?.model;
    if (url === undefined || key === undefined || model === undefined) return;
    const nowMs = ports.now();
    const result = await probe({ ...ports, url, key, model, text: `canary ${new Date(nowMs).toISOString()}` });
    if (result.reason !== undefined) noteFailure(result.reason, { model, request_id: result.requestId });
    const told = alertOf(url, result, await recorded(env, result, nowMs), nowMs);
    if (told !== undefined && hook !== undefined) await sendAlert(ports, hook, told);
  } catch (error) {
    if (error instanceof ConfigError) noteFailure(error.message, {});
    else writeLog({ level: "error", event: "canary_failed", ...describeError(error) });
  }
}

function noteFailure(message: string, facts: Readonly<Record<string, string | undefined>>): void {
  writeLog({ level: "error", event: "canary_failed", message, ...facts });
}

/** Failures in a row; undefined where the directory does not take them, which is a failure of its own. */
async function recorded(env: Env, result: ProbeResult, nowMs: number) {
  try {
    return await recordCanary(env.DIRECTORY, result, nowMs);
  } catch (error) {
    writeLog({ level: "error", event: "canary_unrecorded", ...describeError(error) });
    return undefined;
  }
}

/** What a person has to hear now. */
function alertOf(
  url: string,
  { reason, latencyMs }: ProbeResult,
  failures: { readonly before: number; readonly now: number } | undefined,
  nowMs: number,
): string | undefined {
  if (failures === undefined) {
    const isDue = Math.floor(nowMs / MINUTE_MS) % ALERT_AGAIN_AFTER === 0;
    return isDue ? `${url}: the directory does not answer; an embedding: ${reason ?? "served"}.` : undefined;
  }
  if (failures.now >= FAILURES_TO_ALERT && (failures.now - FAILURES_TO_ALERT) % ALERT_AGAIN_AFTER === 0) {
    return `${url}: embeddings fail: ${reason ?? "unknown"} (${failures.now} in a row).`;
  }
  if (failures.now === 0 && failures.before >= FAILURES_TO_ALERT) {
    return `${url}: embeddings are served again (${latencyMs} ms), after ${failures.before} failures in a row.`;
  }
  return undefined;
}

/** `{"text": …}`: what Slack, Mattermost and most chat programs take. */
export async function sendAlert({ fetch: send }: CanaryPorts, hook: string, text: string): Promise<void> {
  try {
    const answer = await send(hook, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ text }),
      signal: AbortSignal.timeout(ALERT_MS),
    });
    await answer.body?.cancel();
    if (!answer.ok) writeLog({ level: "error", event: "alert_undelivered", status: answer.status });
  } catch (error) {
    writeLog({ level: "error", event: "alert_undelivered", ...describeError(error) });
  }
}
