// The Worker's secrets at Cloudflare: their names can be read, their values never. A deployment without all of them is
// refused; `--create-secrets` makes the missing ones from random bytes.

import { randomBytes } from "node:crypto";
import * as z from "zod";
import { SECRET_NAMES } from "../dev-server/data-folder.ts";
import { DeployError, jsonOf, outputOf, type Wrangler } from "./wrangler.ts";

/** Those that somebody outside the Worker has to know: shown once, when they are made. */
const SHARED_SECRETS: ReadonlySet<string> = new Set(["ADMIN_KEY", "BACKEND_SECRET"]);
const SECRET_BYTES = 32;
const listSchema = z.array(z.object({ name: z.string() }));

/** Names of required secrets that the Worker does not have. A Worker that does not exist yet has none. */
export function missingSecrets(run: Wrangler, configPath: string): readonly string[] {
  const { status, stdout, stderr } = run(["secret", "list", "--format", "json", "--config", configPath]);
  if (status !== 0) {
    if (/not found|10007|does not exist/i.test(stdout + stderr)) return SECRET_NAMES;
    throw new DeployError(`The Worker's secrets cannot be listed:\n${(stderr || stdout).trim()}`);
  }
  const known = new Set(listSchema.parse(jsonOf(stdout)).map(({ name }) => name));
  return SECRET_NAMES.filter((name) => !known.has(name));
}

/** Makes `names` in one call, through standard input. Returns the values that others need, to be shown once. */
export function createSecrets(run: Wrangler, configPath: string, names: readonly string[]): Record<string, string> {
  const values = Object.fromEntries(names.map((name) => [name, randomBytes(SECRET_BYTES).toString("base64url")]));
  outputOf(run, "Storing the secrets", ["secret", "bulk", "--config", configPath], JSON.stringify(values));
  return Object.fromEntries(Object.entries(values).filter(([name]) => SHARED_SECRETS.has(name)));
}
