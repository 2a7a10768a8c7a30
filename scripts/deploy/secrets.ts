// The Worker's secrets at Cloudflare: their names can be read, their values cannot. A deployment without all of them is
// refused; `--create-secrets` creates the missing ones from random bytes.

import { randomBytes } from "node:crypto";
import * as z from "zod";
import { SECRET_NAMES } from "../dev-server/data-folder.ts";
import { DeployError, jsonOf, outputOf, type Wrangler } from "./wrangler.ts";

/** Secrets that others than the Worker need: taken from the environment, or shown once when they are created. */
const SHARED_SECRETS: ReadonlySet<string> = new Set(["ADMIN_KEY", "BACKEND_SECRET"]);
const SECRET_BYTES = 32;
const SECRET_LENGTH_MIN = 32;
const listSchema = z.array(z.object({ name: z.string() }));

/** Names of the secrets that the Worker has; empty if the Worker does not exist yet. */
export function knownSecrets(run: Wrangler, configPath: string): ReadonlySet<string> {
  const { status, stdout, stderr } = run(["secret", "list", "--format", "json", "--config", configPath]);
  if (status !== 0) {
    if (/not found|10007|does not exist/i.test(stdout + stderr)) return new Set();
    throw new DeployError(`The Worker's secrets cannot be listed:\n${(stderr || stdout).trim()}`);
  }
  return new Set(listSchema.parse(jsonOf(stdout)).map(({ name }) => name));
}

export function missingSecrets(known: ReadonlySet<string>): readonly string[] {
  return SECRET_NAMES.filter((name) => !known.has(name));
}

/**
 * Stores `names` in one call, through standard input. Shared secrets that are in `given` (above all the backend's) are
 * used as they are; the others are random. Returns new shared secrets, to be shown once.
 */
export function createSecrets(
  run: Wrangler,
  configPath: string,
  names: readonly string[],
  given: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const own = (name: string): string | undefined => (SHARED_SECRETS.has(name) ? given[name] : undefined);
  for (const name of names) {
    const { length = SECRET_LENGTH_MIN } = own(name) ?? {};
    if (length < SECRET_LENGTH_MIN) {
      throw new DeployError(`${name} in the environment has ${length} characters; ${SECRET_LENGTH_MIN} are the least.`);
    }
  }
  const values = Object.fromEntries(
    names.map((name) => [name, own(name) ?? randomBytes(SECRET_BYTES).toString("base64url")]),
  );
  outputOf(run, "Storing the secrets", ["secret", "bulk", "--config", configPath], JSON.stringify(values));
  return Object.fromEntries(
    Object.entries(values).filter(([name]) => SHARED_SECRETS.has(name) && own(name) === undefined),
  );
}
