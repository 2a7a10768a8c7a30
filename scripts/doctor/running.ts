// A running edge or backend, asked over HTTP what a customer and an operator would ask.

import * as z from "zod";
import { backendReadySchema } from "../../shared/wire.ts";
import { type Finding, fault, note, well } from "./finding.ts";

const ANSWER_MS = 5_000;
const CLOCK_SKEW_MS = 5_000;
const BUSY_QUEUE_S = 10;

const readySchema = z.object({
  backends: z.array(z.object({ model: z.string(), status: z.string(), queue_seconds: z.nullable(z.number()) })),
});

export async function examineEdge(url: string): Promise<Finding[]> {
  const health = await ask(`${url}/health`);
  if (health instanceof Error) return [fault(`${url} does not answer: ${health.message}`, cureOf(health))];
  if (health.status !== 200) {
    return [fault(`${url}/health answers ${health.status}: ${await shortText(health)}`, "See the Worker's log.")];
  }
  await health.body?.cancel();
  return [well(`${url} answers`), ...examineClock(health, url), ...(await examineBackends(url))];
}

async function examineBackends(url: string): Promise<Finding[]> {
  const ready = await ask(`${url}/ready`);
  if (ready instanceof Error) return [fault(`${url}/ready: ${ready.message}`, cureOf(ready))];
  const parsed = readySchema.safeParse(await ready.json().catch(() => undefined));
  if (!parsed.success) return [fault(`${url}/ready is not what this version answers`, "Is it this product's URL?")];
  const { backends } = parsed.data;
  if (backends.length === 0) {
    return [fault("the edge knows no backend", "Set BACKENDS in wrangler.toml (docs/operating.md) and deploy.")];
  }
  return backends.map(({ model, status, queue_seconds: queue }) => {
    if (status === "unreachable") {
      return fault(`${model}: no backend answers`, "Is it running, and are its BACKEND_SECRET and origin the edge's?");
    }
    if (status !== "ready") return note(`${model}: ${status}`, "Wait: a large model compiles for minutes once.");
    if ((queue ?? 0) > BUSY_QUEUE_S) return note(`${model}: ${queue} s of work wait`, "Add a backend for this model.");
    return well(`${model}: ready`);
  });
}

export async function examineBackend(url: string, secret: string | undefined): Promise<Finding[]> {
  const ready = await ask(`${url}/ready`);
  if (ready instanceof Error) return [fault(`${url} does not answer: ${ready.message}`, cureOf(ready))];
  const state = backendReadySchema.safeParse(await ready.json().catch(() => undefined));
  const findings: Finding[] = [
    state.success && state.data.status === "ready"
      ? well(`${url} serves ${state.data.model}, revision ${state.data.revision}`)
      : note(`${url} is ${state.success ? state.data.status : "preparing its model"}`, "Wait, or read its log."),
  ];
  if (secret === undefined) {
    return [...findings, note("its secret was not tried", "Set BACKEND_SECRET in the environment to try it.")];
  }
  const info = await ask(`${url}/info`, { authorization: `Bearer ${secret}` });
  if (info instanceof Error) return [...findings, fault(`${url}/info: ${info.message}`, cureOf(info))];
  await info.body?.cancel();
  if (info.status !== 401) return [...findings, well("it takes this BACKEND_SECRET")];
  return [...findings, fault("it refuses this BACKEND_SECRET", "Give edge and backend the same one.")];
}

/** Keys that expire and signatures are judged by each machine's own clock. */
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

async function shortText(response: Response): Promise<string> {
  return (await response.text()).slice(0, 200);
}
