// Versions of a Worker at Cloudflare: which one serves now, and how to return to an earlier one.

import * as z from "zod";
import { jsonOf, outputOf, type Wrangler } from "./wrangler.ts";

const deploymentSchema = z.object({
  versions: z.array(z.object({ version_id: z.string(), percentage: z.number() })).min(1),
});

/**
 * The version that serves; in a gradual deployment the one with the larger share. Undefined: nothing was deployed yet.
 */
export function currentVersion(run: Wrangler, configPath: string): string | undefined {
  const { status, stdout } = run(["deployments", "status", "--json", "--config", configPath]);
  if (status !== 0) return undefined;
  const { versions } = deploymentSchema.parse(jsonOf(stdout));
  return versions.toSorted((a, b) => b.percentage - a.percentage)[0]?.version_id;
}

/** The version id at the end of the output of `wrangler deploy` and `wrangler rollback`. */
export function versionIn(output: string): string | undefined {
  return /Current Version ID:\s*(\S+)/.exec(output)?.[1];
}

/** Deploys `version` again (undefined: the previous one): its code and settings, not its stored data. */
export function rollBack(run: Wrangler, configPath: string, version: string | undefined): string | undefined {
  const which = version === undefined ? [] : [version];
  const args = ["rollback", ...which, "--yes", "--message", "npm run deploy -- --rollback", "--config", configPath];
  return versionIn(outputOf(run, "Rolling back", args)) ?? version;
}
