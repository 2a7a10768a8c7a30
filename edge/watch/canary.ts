// The canary: once a minute (wrangler.toml, `crons`) it embeds one text through the public URL with its own key. It
// finds faults that no part sees in itself: a refused secret, a feature that stops everything, a ledger or directory
// that is down. Where the model's canaries are published (edge/canaries/) it embeds one of them too, each in turn: a vector that
// differs from the published one by more than is promised is a failure. Its result is in GET /status.json and GET /metrics. A
// failure is logged; the second in a row, a vector that differs, and the first success after them, send an alert to
// `ALERT_WEBHOOK_URL`.

import type { Env } from "../bindings.ts";
import { canaryFault, publishedCanary } from "../canaries/check.ts";
import { describeError, writeLog } from "../lib/log.ts";
import { ConfigError, readConfig } from "../settings.ts";
import { CANARIES } from "../../shared/canaries.ts";
import { recordCanary } from "./canary-record.ts";
import type { ProbeCall, ProbeResult } from "./probe.ts";
import { listedModels, probe } from "./probe.ts";

/** A single failure may be due to a deployment. */
const FAILURES_TO_ALERT = 2;
/** A lasting failure is reported again this often, in minutes; so is a directory that does not take records. */
const ALERT_AGAIN_AFTER = 60;
const MINUTE_MS = 60_000;
const ALERT_MS = 10_000;
const REVISION_LEFT = "409 revision_changed";

export interface CanaryPorts {
  readonly fetch: ProbeCall["fetch"];
  readonly now: () => number;
}

export const REAL_PORTS: CanaryPorts = { fetch: (url, init) => fetch(url, init), now: () => Date.now() };

interface CanaryResult extends ProbeResult {
  /** No chance: another model, a damaged one, or a processor that computes wrongly. */
  readonly differs?: true;
}

/** Runs the canary once, if it is configured. Never throws: failures are logged. */
export async function runCanary(env: Env, ports: CanaryPorts = REAL_PORTS): Promise<void> {
  try {
    const { CANARY_URL: url, CANARY_KEY: key, ALERT_WEBHOOK_URL: hook, ...config } = readConfig(env);
    if (url === undefined || key === undefined) return;
    const model = config.CANARY_MODEL ?? (await firstToEmbed(ports, url, config.BACKENDS));
    if (model === undefined) return;
    const nowMs = ports.now();
    const call = { ...ports, url, key, model };
    const first = await probe({ ...call, text: `canary ${new Date(nowMs).toISOString()}` });
    const result: CanaryResult = first.reason === undefined ? await comparison(env, call, first, nowMs) : first;
    if (result.reason !== undefined) noteFailure(result.reason, { model, request_id: result.requestId });
    const told = alertOf(url, result, await recorded(env, result, nowMs), nowMs);
    if (told !== undefined && hook !== undefined) await sendAlert(ports, hook, told);
  } catch (error) {
    if (error instanceof ConfigError) noteFailure(error.message, {});
    else writeLog({ level: "error", event: "canary_failed", ...describeError(error) });
  }
}

/** The first of `backends` that is no reranker. Whether it is served counts for nothing: that is what the canary finds out. */
async function firstToEmbed(
  { fetch }: CanaryPorts,
  url: string,
  backends: readonly { readonly model: string }[],
): Promise<string | undefined> {
  const names = [...new Set(backends.map(({ model }) => model))];
  if (names.length < 2) return names[0];
  const listed = await listedModels(fetch, url);
  const rerankers = new Set(listed.filter(({ kind }) => kind === "reranker").map(({ id }) => id));
  return names.find((name) => !rerankers.has(name));
}

/** One of the published canaries (edge/canaries/) each minute: `first`, or why its vector is another one than published. */
async function comparison(
  env: Env,
  call: Omit<ProbeCall, "text">,
  first: ProbeResult,
  nowMs: number,
): Promise<CanaryResult> {
  const canary = CANARIES[Math.floor(nowMs / MINUTE_MS) % CANARIES.length];
  const { revision } = first;
  if (canary === undefined || revision === undefined) return first;
  // A directory that does not answer is found out where the call is recorded.
  const published = await publishedCanary(env.DIRECTORY, { model: call.model, revision }, canary).catch(
    () => undefined,
  );
  if (published === undefined) return first;
  const fields = { revision, input_type: canary.input_type, truncate: "end" };
  const { reason, requestId, embedding = [] } = await probe({ ...call, text: canary.input, fields });
  // The revision left in this minute: the next one compares with the new one's.
  if (reason === REVISION_LEFT) return first;
  if (reason !== undefined) return { ...first, reason, requestId };
  const fault = canaryFault(published, embedding);
  return fault === undefined ? first : { ...first, reason: fault, requestId, differs: true };
}

function noteFailure(message: string, facts: Readonly<Record<string, string | undefined>>): void {
  writeLog({ level: "error", event: "canary_failed", message, ...facts });
}

/** Failures in a row; undefined if the directory does not answer, which is logged. */
async function recorded(env: Env, result: ProbeResult, nowMs: number) {
  try {
    return await recordCanary(env.DIRECTORY, result, nowMs);
  } catch (error) {
    writeLog({ level: "error", event: "canary_unrecorded", ...describeError(error) });
    return undefined;
  }
}

/** The alert that is due now; undefined: none. */
function alertOf(
  url: string,
  { reason, latencyMs, differs }: CanaryResult,
  failures: { readonly before: number; readonly now: number } | undefined,
  nowMs: number,
): string | undefined {
  if (failures === undefined) {
    const isDue = Math.floor(nowMs / MINUTE_MS) % ALERT_AGAIN_AFTER === 0;
    return isDue ? `${url}: the directory does not answer; an embedding: ${reason ?? "served"}.` : undefined;
  }
  if (differs === true && failures.now < FAILURES_TO_ALERT) return `${url}: embeddings differ: ${reason ?? "unknown"}.`;
  if (failures.now >= FAILURES_TO_ALERT && (failures.now - FAILURES_TO_ALERT) % ALERT_AGAIN_AFTER === 0) {
    return `${url}: embeddings fail: ${reason ?? "unknown"} (${failures.now} in a row).`;
  }
  if (failures.now === 0 && failures.before >= FAILURES_TO_ALERT) {
    return `${url}: embeddings are served again (${latencyMs} ms), after ${failures.before} failures in a row.`;
  }
  return undefined;
}

/** Sends `{"text": …}`, which Slack, Mattermost and most chat programs accept. */
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
