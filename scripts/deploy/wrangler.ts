// Wrangler as a child process, through which a deployment changes Cloudflare. Tests pass a fake.

import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { ROOT } from "../dev-server/options.ts";

export interface WranglerResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `wrangler ...args` with `input` on its standard input, which is never shown. */
export type Wrangler = (args: readonly string[], input?: string) => WranglerResult;

export class DeployError extends Error {
  override name = "DeployError";
}

/** Longer than any step takes: a step that exceeds it hangs. */
const STEP_MS_MAX = 10 * 60_000;

export const wrangler: Wrangler = (args, input) => {
  const { status, stdout, stderr, error } = spawnSync(resolve(ROOT, "node_modules/.bin/wrangler"), args, {
    cwd: ROOT,
    encoding: "utf8",
    env: { ...process.env, WRANGLER_SEND_METRICS: "false", NO_COLOR: "1", FORCE_COLOR: "0" },
    timeout: STEP_MS_MAX,
    killSignal: "SIGKILL",
    shell: process.platform === "win32",
    ...(input !== undefined && { input }),
  });
  if (error !== undefined && "code" in error && error.code === "ETIMEDOUT") {
    const minutes = STEP_MS_MAX / 60_000;
    return { status: 1, stdout, stderr: `${stderr}\nIt was ended: no answer within ${minutes} minutes.` };
  }
  if (error !== undefined) throw new DeployError(`wrangler cannot be run: ${error.message}`);
  // It may colour its output even for a program.
  return { status: status ?? 1, stdout: stripVTControlCharacters(stdout), stderr: stripVTControlCharacters(stderr) };
};

/** Standard output of a call that must succeed. Throws DeployError with wrangler's own words; `what` names the step. */
export function outputOf(run: Wrangler, what: string, args: readonly string[], input?: string): string {
  const { status, stdout, stderr } = run(args, input);
  if (status !== 0) throw new DeployError(`${what} failed (wrangler ${args.join(" ")}):\n${(stderr || stdout).trim()}`);
  return stdout;
}

/** The warnings in wrangler's output, which its exit code does not show. */
export function warningsIn({ stdout, stderr }: WranglerResult): readonly string[] {
  const blocks = stripVTControlCharacters(`${stdout}\n${stderr}`).split(/^(?=[^\n]*\[(?:WARNING|ERROR)\])/m);
  return blocks
    .filter((block) => block.includes("[WARNING]"))
    .map((block) => (block.split(/\n(?=\S)/)[0] ?? "").replaceAll(/\s+/g, " ").trim());
}

/** The JSON in an output that may begin with a banner or warnings. */
export function jsonOf(output: string): unknown {
  const start = output.search(/^[[{]/m);
  if (start < 0) throw new DeployError(`wrangler answered without JSON: ${output.trim().slice(0, 200)}`);
  return JSON.parse(output.slice(start)) as unknown;
}
