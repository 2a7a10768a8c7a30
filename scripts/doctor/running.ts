// Checks a running edge or backend over HTTP.

import * as z from "zod";
import { embed } from "../../edge/backend/client.ts";
import { Cancel } from "../../edge/lib/cancel.ts";
import { LEGAL_SETTINGS } from "../../edge/settings.ts";
import { WIRE_VERSION, backendFaultSchema, backendReadySchema } from "../../shared/wire.ts";
import { type Finding, fault, note, well } from "./finding.ts";

const ANSWER_MS = 5_000;
const EMBED_MS = 20_000;
const CLOCK_SKEW_MS = 5_000;
const BUSY_QUEUE_S = 10;

const healthSchema = z.object({ status: z.literal("ok") });
const readySchema = z.object({
  backends: z.array(
    z.object({
      model: z.string(),
      status: z.string(),
      queue_seconds: z.nullable(z.number()),
      reasons: z.array(z.string()).default([]),
    }),
  ),
  problems: z.array(z.string()).default([]),
});

export async function examineEdge(url: string): Promise<Finding[]> {
  const health = await ask(`${url}/health`);
  if (health instanceof Error) return [fault(`${url} does not answer: ${health.message}`, cureOf(health))];
  const text = await shortText(health);
  if (health.status !== 200) return [fault(`${url}/health answers ${health.status}: ${text}`, "See the Worker's log.")];
  if (!healthSchema.safeParse(parsed(text)).success) {
    return [fault(`${url}/health answers 200, but as no edge does: ${text}`, "Is it this product's URL?")];
  }
  return [
    well(`${url} answers`),
    ...examineClock(health, url),
    ...(await examineBackends(url)),
    ...(await examineContact(url)),
  ];
}

/** Whether the operator's contact is filled in: /terms, /privacy and security.txt need it. */
async function examineContact(url: string): Promise<Finding[]> {
  const answer = await ask(`${url}/.well-known/security.txt`);
  if (answer instanceof Error || answer.status === 200) return [];
  const cure = `Set ${LEGAL_SETTINGS.join(", ")} in wrangler.toml (docs/operating.md).`;
  return [note("security.txt is missing: nobody to write to is filled in", cure)];
}

async function examineBackends(url: string): Promise<Finding[]> {
  const ready = await ask(`${url}/ready`);
  if (ready instanceof Error) return [fault(`${url}/ready: ${ready.message}`, cureOf(ready))];
  const answer = readySchema.safeParse(await ready.json().catch(() => undefined));
  if (!answer.success) return [fault(`${url}/ready is not what this version answers`, "Is it this product's URL?")];
  const { backends, problems } = answer.data;
  const settings = problems.map((problem) =>
    fault(
      `the edge says: ${problem}`,
      "Set it (wrangler secret put, or vars in wrangler.toml) and deploy, or take it out.",
    ),
  );
  if (backends.length > 0) return [...settings, ...backends.flatMap(backendFindings)];
  if (settings.length > 0) return settings;
  return [fault("the edge knows no backend", "Set BACKENDS in wrangler.toml (docs/operating.md) and deploy.")];
}

function backendFindings({
  model,
  status,
  queue_seconds: queue,
  reasons,
}: z.output<typeof readySchema>["backends"][number]): Finding[] {
  const why = reasons.length === 0 ? "" : ` (${reasons.join("; ")})`;
  switch (status) {
    case "secret_refused":
      return [fault(`${model}: its backends refuse the edge's secret${why}`, SECRET_CURE)];
    case "unreachable":
      return [fault(`${model}: no backend answers${why}`, "Is it running, and is its origin the edge's?")];
    case "ready": {
      const lost = reasons.map((reason) => note(`${model}: ${reason}`, "Others serve meanwhile; mend or remove it."));
      if ((queue ?? 0) <= BUSY_QUEUE_S) return [well(`${model}: ready`), ...lost];
      return [note(`${model}: ${queue} s of work wait`, "Add a backend for this model."), ...lost];
    }
    default:
      return [note(`${model}: ${status}${why}`, "Wait: a large model compiles for minutes once.")];
  }
}

const SECRET_CURE = "Give edge and backend the same BACKEND_SECRET (docs/operating.md, Rotating secrets).";

export async function examineBackend(url: string, secret: string | undefined): Promise<Finding[]> {
  const first = await readyOf(url);
  if (!("models" in first)) return [first];
  const states = [first.state];
  for (const model of first.models.slice(1)) {
    const other = await readyOf(url, model);
    if (!("models" in other)) return [other];
    states.push(other.state);
  }
  const findings = states.map((state) =>
    state?.status === "ready"
      ? well(`${url} serves ${state.model}, revision ${state.revision}`)
      : note(
          `${url} is ${state === undefined ? "preparing its model" : `${state.status}: ${state.model}`}`,
          "Wait, or read its log.",
        ),
  );
  if (secret === undefined) {
    return [...findings, note("its secret was not tried", "Set BACKEND_SECRET in the environment to try it.")];
  }
  const ready = states.flatMap((state) => (state?.status === "ready" ? [state] : []));
  if (ready.length === 0) return [...findings, await examineSecret(url, secret)];
  for (const state of ready) findings.push(await examineModel(url, secret, state));
  return findings;
}

type Ready = z.output<typeof backendReadySchema>;

/** What the backend says of `model`, or of its first; undefined while it prepares it. A fault where it is no backend. */
async function readyOf(
  url: string,
  model?: string,
): Promise<Finding | { readonly state: Ready | undefined; readonly models: readonly string[] }> {
  const ready = await ask(`${url}/ready${model === undefined ? "" : `?model=${encodeURIComponent(model)}`}`);
  if (ready instanceof Error) return fault(`${url} does not answer: ${ready.message}`, cureOf(ready));
  const text = await ready.text();
  const state = backendReadySchema.safeParse(parsed(text)).data;
  if (state !== undefined) return { state, models: state.models ?? [state.model] };
  if (backendFaultSchema.safeParse(parsed(text)).data?.error.code === "model_not_ready")
    return { state: undefined, models: [] };
  const cure = readySchema.safeParse(parsed(text)).success
    ? "It is an edge: ask it with --url; --backend is an origin of BACKENDS."
    : "Is it a backend's origin, and does what is in front of it pass /ready through?";
  return fault(`${url}/ready answers ${ready.status}, but as no backend does: ${text.slice(0, 200)}`, cure);
}

/** Tries the secret with /info, while no model is ready. */
async function examineSecret(url: string, secret: string): Promise<Finding> {
  const info = await ask(`${url}/info`, { authorization: `Bearer ${secret}` });
  if (info instanceof Error) return fault(`${url}/info: ${info.message}`, cureOf(info));
  const text = await shortText(info);
  if (info.status === 401 || info.status === 403) return fault("it refuses this BACKEND_SECRET", SECRET_CURE);
  // 503: the secret is right, and the model is not loaded yet.
  if (backendFaultSchema.safeParse(parsed(text)).success) return well("it takes this BACKEND_SECRET");
  return fault(`${url}/info answers ${info.status}: ${text}`, "Does what is in front of it pass every route through?");
}

/** Tries the secret as the edge does: with a call that embeds, or scores. */
async function examineModel(url: string, secret: string, { model, kind }: Ready): Promise<Finding> {
  const call = { fetch, origin: url, secret, requestId: "doctor", traceparent: undefined, deadlineMs: EMBED_MS };
  const request = { version: WIRE_VERSION, model, revision: null, account: "doctor", tier: "batch" } as const;
  const does = kind === "reranker" ? "score" : "embed";
  const result = await embed(
    { ...call, signal: new Cancel() },
    kind === "reranker"
      ? { ...request, truncate: "end", instruction: null, query: "Is it well?", documents: ["It is."] }
      : { ...request, truncate: "none", prefix: "", texts: ["Is it well?"] },
    new Uint32Array(),
  );
  switch (result.kind) {
    case "answer": {
      const what = kind === "reranker" ? "scores" : `embeds: ${result.answer.dimensions} dimensions`;
      return well(`it takes this BACKEND_SECRET, and ${model} ${what}`);
    }
    case "refused":
      return fault(`it refuses this BACKEND_SECRET (status ${result.status})`, SECRET_CURE);
    case "fault":
      return fault(`${model} does not ${does}: ${result.fault.code}, ${result.fault.message}`, "Read its log.");
    default:
      return fault(`${model} does not ${does}: ${"reason" in result ? result.reason : result.kind}`, "Read its log.");
  }
}

/** Compares the clocks, because each machine judges expiring keys and signatures by its own. */
function examineClock(response: Response, url: string): Finding[] {
  const date = Date.parse(response.headers.get("date") ?? "");
  if (Number.isNaN(date)) return [];
  const skewMs = Math.abs(Date.now() - date);
  if (skewMs <= CLOCK_SKEW_MS) return [];
  const what = `the clock of this machine and of ${url} are ${Math.round(skewMs / 1000)} s apart`;
  return [note(what, "Set this machine's clock by NTP; webhook signatures older than 5 minutes are refused.")];
}

async function ask(url: string, headers: Record<string, string> = {}): Promise<Response | Error> {
  try {
    return await fetch(url, { headers, signal: AbortSignal.timeout(ANSWER_MS), redirect: "manual" });
  } catch (error) {
    if (!(error instanceof Error)) return new Error(String(error));
    return error.cause instanceof Error ? error.cause : error;
  }
}

function cureOf(error: Error): string {
  if (/ECONNREFUSED/.test(error.message)) return "Nothing listens there: start it, or correct the URL.";
  if (/ENOTFOUND|EAI_AGAIN/.test(error.message)) return "The name is not known: check the URL and DNS.";
  if (/certificate|TLS|SSL/i.test(error.message)) return "Renew or correct its certificate.";
  return "Check the URL, the firewall, and the program's log.";
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

async function shortText(response: Response): Promise<string> {
  return (await response.text()).slice(0, 200);
}
