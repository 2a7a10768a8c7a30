// Checks after a deployment or a rollback that the right version answers and that calls would be served. A deployment
// that nobody can use has not succeeded.

import * as z from "zod";

const ANSWER_MS = 10_000;
const PAUSE_MS = 3000;
/** A new host name usually gets its certificate within two minutes. */
const HEALTH_TRIES = 60;
/** A running backend is found within these tries; one that compiles a model takes minutes and is not waited for. */
const READY_TRIES = 5;

const healthSchema = z.object({ status: z.literal("ok"), version: z.nullable(z.string()).default(null) });
const readySchema = z.object({
  status: z.string(),
  backends: z.array(z.object({ model: z.string(), status: z.string(), reasons: z.array(z.string()).default([]) })),
  problems: z.array(z.string()).default([]),
});

export interface LookContext {
  readonly fetch: typeof fetch;
  readonly say: (line: string) => void;
  readonly sleep: (ms: number) => Promise<void>;
}

/** What is wrong with `host`, whose Worker should be `version` (undefined: any), one sentence each. Says what works. */
export async function lookAt(
  context: LookContext,
  host: string,
  version: string | undefined,
): Promise<readonly string[]> {
  const health = await askUntilWell(context, HEALTH_TRIES, () => healthFault(context, host, version));
  if (health !== undefined) return [health];
  context.say(`https://${host}/health: 200${version === undefined ? "" : `, version ${version}`}`);
  let warming: readonly string[] = [];
  const ready = await askUntilWell(context, READY_TRIES, async () => {
    const found = await readyFaults(context, host);
    ({ warming } = found);
    return found.faults.length === 0 ? undefined : found.faults.join("\n  - ");
  });
  for (const model of warming) context.say(`${model} is warming: its calls are answered once /ready is 200.`);
  return ready === undefined ? [] : [ready];
}

async function askUntilWell(
  { sleep }: LookContext,
  tries: number,
  ask: () => Promise<string | undefined>,
): Promise<string | undefined> {
  let fault = await ask();
  for (let tried = 1; fault !== undefined && tried < tries; tried += 1) {
    await sleep(PAUSE_MS);
    fault = await ask();
  }
  return fault;
}

async function healthFault(
  context: LookContext,
  host: string,
  version: string | undefined,
): Promise<string | undefined> {
  const answer = await get(context, `https://${host}/health`);
  if (answer.kind === "none") return `https://${host}/health does not answer: ${answer.reason}.`;
  const health = healthSchema.safeParse(answer.json);
  if (answer.status !== 200 || !health.success) {
    return `https://${host}/health answers ${answer.status}: ${answer.text}`;
  }
  const seen = health.data.version;
  if (version === undefined || seen === null || seen === version) return undefined;
  return `https://${host}/health is answered by version ${seen}, not by the one just deployed.`;
}

async function readyFaults(context: LookContext, host: string) {
  const url = `https://${host}/ready`;
  const answer = await get(context, url);
  if (answer.kind === "none") return { warming: [], faults: [`${url} does not answer: ${answer.reason}.`] };
  const ready = readySchema.safeParse(answer.json);
  if (!ready.success) return { warming: [], faults: [`${url} answers ${answer.status}: ${answer.text}`] };
  const { backends, problems } = ready.data;
  const lost = backends.filter(({ status }) => status !== "ready" && status !== "warming");
  const faults = lost.map(({ model, status, reasons }) => `${model}: ${status} (${reasons.join("; ") || "no answer"})`);
  if (backends.length === 0 && problems.length === 0) faults.push("the edge knows no backend.");
  const warming = backends.filter(({ status }) => status === "warming").map(({ model }) => model);
  return { warming, faults: [...faults, ...problems] };
}

type Got =
  | { readonly kind: "answer"; readonly status: number; readonly text: string; readonly json: unknown }
  | { readonly kind: "none"; readonly reason: string };

async function get({ fetch: send }: LookContext, url: string): Promise<Got> {
  try {
    const response = await send(url, { signal: AbortSignal.timeout(ANSWER_MS), redirect: "manual" });
    const text = await response.text();
    return { kind: "answer", status: response.status, text: text.slice(0, 300), json: parsed(text) };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return { kind: "none", reason: cause instanceof Error ? cause.message : String(cause) };
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
