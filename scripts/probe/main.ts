// Does what the Worker's canary does (edge/watch/probe.ts), from any machine.

import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { listedModels, probe } from "../../edge/watch/probe.ts";

const USAGE =
  "npm run probe -- --url https://HOST [--model MODEL] [--every SECONDS], with the key in GIGAROUTER_API_KEY";

export interface ProbeContext {
  readonly say: (line: string) => void;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly sleep: (ms: number) => Promise<unknown>;
  /** How often to probe with --every; finite in tests. */
  readonly turns: number;
}

const REAL: ProbeContext = {
  say: (line) => void process.stdout.write(`${line}\n`),
  environment: process.env,
  sleep: (ms) => sleep(ms),
  turns: Number.POSITIVE_INFINITY,
};

interface Options {
  readonly url: string;
  readonly key: string;
  readonly model: string | undefined;
  readonly everyS: number | undefined;
}

/** Exit code: 0 served, 1 not served (with --every: the last time), 2 wrong arguments. */
export async function main(args: readonly string[], context: ProbeContext = REAL): Promise<number> {
  const options = readOptions(args, context);
  if (typeof options === "string") {
    context.say(`${options} Usage: ${USAGE}`);
    return 2;
  }
  let failed = false;
  for (let turn = 0; turn < (options.everyS === undefined ? 1 : context.turns); turn += 1) {
    if (turn > 0) await context.sleep((options.everyS ?? 0) * 1000);
    failed = !(await once(options, context.say));
  }
  return failed ? 1 : 0;
}

async function once({ url, key, model: named }: Options, say: ProbeContext["say"]): Promise<boolean> {
  const at = new Date().toISOString();
  const model =
    named ?? (await listedModels(fetch, url)).find(({ status, kind }) => status === "live" && kind !== "reranker")?.id;
  if (model === undefined) {
    say(`${at} FAULT ${url}: no live model is listed in /v1/models.`);
    return false;
  }
  const { reason, latencyMs, requestId } = await probe({
    fetch,
    url,
    key,
    model,
    now: () => performance.now(),
    text: `probe ${at}`,
  });
  const facts = `${model}, ${latencyMs} ms${requestId === undefined ? "" : `, ${requestId}`}`;
  say(`${at} ${reason === undefined ? "ok   " : "FAULT"} ${url}: ${reason ?? "served"} (${facts})`);
  return reason === undefined;
}

function readOptions(args: readonly string[], { environment }: ProbeContext): Options | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { url: { type: "string" }, model: { type: "string" }, every: { type: "string" } },
    });
    const { url, model, every } = values;
    if (url === undefined || !URL.canParse(url)) return `--url is ${url ?? "missing"}, not a URL.`;
    const key = environment["GIGAROUTER_API_KEY"];
    if (key === undefined || key === "") return "GIGAROUTER_API_KEY is missing.";
    const everyS = every === undefined ? undefined : Number(every);
    if (everyS !== undefined && !(everyS >= 1)) return `--every is ${every}, not a number of seconds from 1.`;
    return { url: url.replace(/\/+$/, ""), key, model, everyS };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
