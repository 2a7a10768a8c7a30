// The configuration on disk: the data folder with its secrets, the port, and wrangler.toml's environments.

import { accessSync, constants, existsSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { ConfigError, LEGAL_SETTINGS, readConfig } from "../../edge/settings.ts";
import { SECRET_NAMES } from "../dev-server/data-folder.ts";
import { readEnvironment } from "../deploy/environment.ts";
import { DeployError } from "../deploy/wrangler.ts";
import { type Finding, fault, note, well } from "./finding.ts";

const OTHERS_MAY = 0o077;
const SECRET_LENGTH_MIN = 32;

export function examineDataFolder(dir: string): Finding[] {
  if (!existsSync(dir)) return [well(`${dir} does not exist yet: npm start makes it`)];
  try {
    accessSync(dir, constants.R_OK | constants.W_OK);
  } catch {
    return [fault(`${dir} cannot be read and written by this user`, "Change its owner, or use --data with another.")];
  }
  return [...examineSecrets(join(dir, "secrets.json")), ...examinePids(join(dir, "pids.json"))];
}

function examineSecrets(path: string): Finding[] {
  if (!existsSync(path)) return [well("no secrets yet: npm start makes them")];
  const findings: Finding[] = [];
  if (process.platform !== "win32" && (statSync(path).mode & OTHERS_MAY) !== 0) {
    findings.push(fault(`${path} can be read by other users`, `chmod 600 ${path}, and make new keys.`));
  }
  const secrets = jsonOf(path);
  if (secrets === undefined) {
    return [
      fault(`${path} is not JSON`, "Restore it from a copy. Without its secrets every key of this folder is void."),
    ];
  }
  const bad = SECRET_NAMES.filter((name) => lengthOf(secrets[name]) < SECRET_LENGTH_MIN);
  findings.push(
    bad.length === 0
      ? well("all secrets are there")
      : note(`${path} lacks ${bad.join(", ")}`, "npm start makes those anew; keys made under the old ones are void."),
  );
  return findings;
}

/** Finds a recorded supervisor that no longer runs, as after `kill -9`. */
function examinePids(path: string): Finding[] {
  const pids = existsSync(path) ? jsonOf(path) : undefined;
  const supervisor = Number(pids?.["supervisor"] ?? 0);
  if (supervisor === 0) return [well("nothing runs on the data folder")];
  return isAlive(supervisor)
    ? [well(`npm start runs on the data folder (process ${supervisor})`)]
    : [note("the last npm start did not end cleanly", "Nothing to do: the next one ends what it left running.")];
}

/** Whether npm start could listen on `port`, or already does. */
export async function examinePort(port: number, dir: string): Promise<Finding[]> {
  if (await canListen(port)) return [well(`port ${port} is free`)];
  if (devUrl(dir)?.endsWith(`:${port}`) === true) return [well(`port ${port} is npm start's`)];
  return [fault(`port ${port} is used by another program`, "npm start -- --port 0 takes a free one.")];
}

/** The URL of an npm start on `dir` that became ready and has not ended cleanly since. */
export function devUrl(dir: string): string | undefined {
  const url = jsonOf(join(dir, "dev.json"))?.["url"];
  return typeof url === "string" ? url : undefined;
}

/** Checks the settings of `wrangler dev` with the Worker's own parser. */
export function examineDevVars(path: string): Finding[] {
  if (!existsSync(path)) return [];
  try {
    const { problems } = readConfig({ BACKENDS: "[]", ...parseEnv(readFileSync(path, "utf8")) });
    if (problems.length === 0) return [well(`${path} is complete`)];
    return problems.map((problem) => fault(`${path}: ${problem}`, "Compare it with .dev.vars.example."));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [fault(`${path}: ${error.message}`, "Compare it with .dev.vars.example.")];
  }
}

export function examineEnvironments(names: readonly string[] = ["staging", "production"], toml?: string): Finding[] {
  return names.flatMap((name) => {
    try {
      const { faults, config } = readEnvironment(name, toml);
      const unfilled = LEGAL_SETTINGS.filter((setting) => !config.vars[setting]);
      const legal =
        unfilled.length === 0
          ? []
          : [
              note(
                `[env.${name}] of wrangler.toml: ${unfilled.join(", ")} not filled in`,
                "Set them in its vars: /terms, /privacy, /contact and security.txt name nobody without.",
              ),
            ];
      const tax = config.vars["STRIPE_AUTOMATIC_TAX"] === "true" ? "Stripe adds tax to them" : "no tax is added";
      const topUps = well(
        `[env.${name}] of wrangler.toml: where top-ups are paid by card, ${tax} (STRIPE_AUTOMATIC_TAX)`,
      );
      if (faults.length === 0) return [well(`[env.${name}] of wrangler.toml can be deployed`), ...legal, topUps];
      const what = `[env.${name}] of wrangler.toml is not complete: ${faults.join(" ")}`;
      // Only placeholders: nobody has begun to fill it in. Any other fault is one that a deployment would refuse.
      if (faults.every((sentence) => sentence.endsWith("is a placeholder."))) {
        return [note(what, "Needed only to deploy it.")];
      }
      return [fault(what, "Correct it in wrangler.toml: a deployment refuses it.")];
    } catch (error) {
      const reason = error instanceof DeployError ? error.message : `wrangler.toml cannot be read: ${String(error)}`;
      return [fault(reason, "Compare wrangler.toml with the repository's.")];
    }
  });
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Another user's process runs but may not be signalled.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function jsonOf(path: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : undefined;
  } catch {
    return undefined;
  }
}

function lengthOf(value: unknown): number {
  return typeof value === "string" ? value.length : 0;
}
