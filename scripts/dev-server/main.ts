// `npm start`: shows progress, then URL, key and a curl command that works when pasted. Ctrl-C ends everything.

import { DEMO_MODEL_ID } from "../../shared/catalog.ts";
import type { DevServer, Reporter } from "./dev-server.ts";
import { startDevServer } from "./dev-server.ts";
import { StartError, USAGE, readOptions } from "./options.ts";

const STARTED_MS = performance.now();

/** Runs until a signal stops it. Exit code 1 and one sentence if it cannot start. */
export async function main(args: readonly string[]): Promise<void> {
  try {
    const options = readOptions(args);
    if (options === undefined) {
      process.stdout.write(`${USAGE}\n`);
      return;
    }
    const stopped = stopSignal();
    const starting = startDevServer(options, terminalReporter());
    const first = await Promise.race([starting, stopped.then(() => undefined)]);
    if (first !== undefined) {
      process.stdout.write(welcome(first));
      await stopped;
    }
    process.stdout.write("\nStopping …\n");
    await (await starting).stop();
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${clearLine()}${error instanceof StartError ? error.message : explain(error)}\n`);
    process.exit(1);
  }
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.once(signal, () => {
        resolve();
        // A second Ctrl-C ends the process at once.
        process.once(signal, () => process.exit(130));
      });
    }
  });
}

function terminalReporter(): Reporter {
  const { isTTY } = process.stderr;
  let last = "";
  return {
    progress(what) {
      if (what === last) return;
      last = what;
      process.stderr.write(isTTY ? `${clearLine()}… ${what}` : `… ${what}\n`);
    },
    log(text) {
      if (process.env["VERBOSE"] !== undefined) process.stderr.write(text);
    },
  };
}

function clearLine(): string {
  return process.stderr.isTTY ? "\r\u001B[K" : "";
}

function welcome(server: DevServer): string {
  process.stderr.write(clearLine());
  const seconds = ((performance.now() - STARTED_MS) / 1000).toFixed(1);
  const others = server.models.slice(1);
  const demo = server.model === DEMO_MODEL_ID ? " (embedded demo)" : "";
  return `
gigarouter embeddings is ready after ${seconds} s.

  URL      ${server.url}
  API key  ${server.apiKey}    (an account with $5 of free credit)
  Model    ${server.model}${demo}${others.map((model) => `\n           ${model}`).join("")}

Try it:

  curl ${server.url}/v1/embeddings \\
    -H "Authorization: Bearer ${server.apiKey}" \\
    -H "Content-Type: application/json" \\
    -d '{"model": "${server.model}", "input": "How do I reset my password?"}'

Dashboard and playground: ${server.url}/dashboard (sign in with the key).
Any OpenAI client works with base URL ${server.url}/v1. VERBOSE=1 shows logs. Ctrl-C stops everything.
`;
}

/** An unexpected error is shown with its stack, because we have to fix it. */
function explain(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
