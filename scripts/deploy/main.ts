// Deploys from nothing or over an earlier version: check, provide, secrets, migrate, deploy, look; and rolls back.
// `--dry-run` checks and bundles without a network and prints the steps that it would take.

import { mkdirSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { ROOT } from "../dev-server/options.ts";
import { conflictsOf } from "./conflicts.ts";
import { type DeployConfig, type Environment, readEnvironment, settingFaults } from "./environment.ts";
import { lookAt } from "./look.ts";
import { provide } from "./resources.ts";
import { createSecrets, knownSecrets, missingSecrets } from "./secrets.ts";
import { currentVersion, rollBack, versionIn } from "./versions.ts";
import { DeployError, outputOf, warningsIn, type Wrangler, wrangler } from "./wrangler.ts";

const USAGE =
  "npm run deploy -- --env staging|production [--dry-run] [--create-secrets] [--take-over], or --env NAME --rollback [VERSION]";
/** The limit of a paid plan's Worker, compressed. Source: Cloudflare's limits page. */
const BUNDLE_KIB_MAX = 10 * 1024;

export interface DeployContext {
  readonly run: Wrangler;
  readonly say: (line: string) => void;
  readonly fetch: typeof fetch;
  readonly sleep: (ms: number) => Promise<void>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The folder of the written-out configuration. */
  readonly dir: string;
  /** wrangler.toml's text; absent: the repository's. */
  readonly toml?: string;
}

const REAL: DeployContext = {
  run: wrangler,
  say: (line) => void process.stdout.write(`${line}\n`),
  fetch,
  sleep: (ms) => sleep(ms),
  environment: process.env,
  dir: resolve(ROOT, ".build/deploy"),
};

interface Options {
  readonly env: string;
  readonly dryRun: boolean;
  readonly createSecrets: boolean;
  /** Overrides hosts of others, and edits made in Cloudflare's dashboard. */
  readonly takeOver: boolean;
  readonly rollback: boolean;
  readonly version: string | undefined;
}

/** Exit code: 0 deployed and serving (or deployable), 1 refused, failed, or deployed and not serving. */
export async function main(args: readonly string[], real: DeployContext = REAL): Promise<number> {
  const context = { ...real, run: speaking(real) };
  try {
    const options = readOptions(args);
    const environment = readEnvironment(options.env, real.toml);
    const path = writeConfig(context, environment.name, environment.config);
    if (options.rollback) return await goBack(context, environment, path, options.version);
    if (!options.dryRun) refuse(environment);
    checkBundle(context, path);
    if (!options.dryRun) return await deploy(context, environment, options);
    sayPlan(context, environment);
    refuse(environment);
    return 0;
  } catch (error) {
    if (!(error instanceof DeployError)) throw error;
    context.say(`Not deployed. ${error.message}`);
    return 1;
  }
}

/** Wrangler with each of its warnings shown once: the bundle's warnings come again with the deployment. */
function speaking({ run, say }: DeployContext): Wrangler {
  const said = new Set<string>();
  return (args, input) => {
    const result = run(args, input);
    for (const warning of warningsIn(result).filter((text) => !said.has(text))) {
      said.add(warning);
      say(`wrangler ${args[0] ?? ""}: ${warning}`);
    }
    return result;
  };
}

function readOptions(args: readonly string[]): Options {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        env: { type: "string" },
        "dry-run": { type: "boolean", default: false },
        "create-secrets": { type: "boolean", default: false },
        "take-over": { type: "boolean", default: false },
        rollback: { type: "boolean", default: false },
      },
    });
    if (values.env === undefined) throw new Error("--env is missing.");
    const [version, ...more] = positionals;
    if (more.length > 0 || (version !== undefined && !values.rollback))
      throw new Error(`Not known: ${positionals.join(" ")}.`);
    return {
      env: values.env,
      dryRun: values["dry-run"],
      createSecrets: values["create-secrets"],
      takeOver: values["take-over"],
      rollback: values.rollback,
      version,
    };
  } catch (error) {
    throw new DeployError(`${error instanceof Error ? error.message : String(error)} Usage: ${USAGE}`);
  }
}

function refuse({ name, faults }: Environment): void {
  if (faults.length === 0) return;
  throw new DeployError(`[env.${name}] of wrangler.toml is not complete:\n${listed(faults)}`);
}

const listed = (sentences: readonly string[]): string => sentences.map((sentence) => `  - ${sentence}`).join("\n");

async function deploy(context: DeployContext, environment: Environment, options: Options): Promise<number> {
  const { run, say } = context;
  const { name, config } = environment;
  outputOf(run, "Asking Cloudflare who this is", ["whoami"]);
  const provided = provide(run, config, say);
  const path = writeConfig(context, name, provided);
  // Read before the secrets are stored: storing them makes a Worker without code, which is no version to go back to.
  const before = currentVersion(run, path);
  ensureSecrets(context, environment, path, options.createSecrets);
  if (!options.takeOver) {
    const conflicts = await conflictsOf(context, config);
    if (conflicts.length > 0) {
      throw new DeployError(
        `It would take hosts that others use:\n${listed(conflicts)}\nAdd --take-over to allow that.`,
      );
    }
  }
  for (const { database_name: database } of provided.d1_databases) {
    say(`migrating ${database}`);
    outputOf(run, `Migrating ${database}`, ["d1", "migrations", "apply", database, "--remote", "--config", path]);
  }
  say(`deploying ${config.name} over ${before === undefined ? "nothing" : `version ${before}`}`);
  const strict = options.takeOver ? [] : ["--strict"];
  const version = versionIn(outputOf(run, "Deploying", ["deploy", "--config", path, ...strict]));
  return concluded(context, environment, version, before);
}

function ensureSecrets(context: DeployContext, environment: Environment, path: string, create: boolean): void {
  const { run, say } = context;
  const { config, pairedSecrets } = environment;
  const known = knownSecrets(run, path);
  const missing = missingSecrets(known);
  if (missing.length > 0 && !create) {
    throw new DeployError(
      `The Worker ${config.name} lacks ${missing.join(", ")}. Add --create-secrets to make them from random bytes, or ` +
        `set each with: npx wrangler secret put NAME --config ${path}`,
    );
  }
  // Now that the secrets' names are known: the Worker would leave off a feature that is only half configured.
  const faults = settingFaults(config, [...known, ...missing]);
  if (faults.length > 0) {
    const cure = `Set what is missing (npx wrangler secret put NAME --config ${path}), or take the other half out.`;
    throw new DeployError(`The Worker would leave something off:\n${listed(faults)}\n${cure}`);
  }
  if (pairedSecrets.length > 0) say(`optional features are whole: ${pairedSecrets.join(", ")} are set`);
  if (missing.length > 0) sayOnce(say, createSecrets(run, path, missing, context.environment));
}

async function goBack(
  context: DeployContext,
  environment: Environment,
  path: string,
  version: string | undefined,
): Promise<number> {
  const before = currentVersion(context.run, path);
  return concluded(context, environment, rollBack(context.run, path, version), before);
}

/** Says which version is deployed, whether it serves, and how to go back. */
async function concluded(
  context: DeployContext,
  { name, host }: Environment,
  version: string | undefined,
  before: string | undefined,
): Promise<number> {
  const { say } = context;
  const faults = await lookAt(context, host, version);
  const what = version === undefined ? "a version that wrangler did not name" : `version ${version}`;
  if (faults.length === 0) say(`Deployed: ${what} serves on ${host}.`);
  else say(`Deployed ${what}, but calls to ${host} would fail:\n${listed(faults)}`);
  if (before !== undefined) say(`To go back: npm run deploy -- --env ${name} --rollback ${before}`);
  return faults.length === 0 ? 0 : 1;
}

function writeConfig({ dir }: DeployContext, name: string, config: DeployConfig): string {
  mkdirSync(dir, { recursive: true });
  const path = resolve(dir, `wrangler.${name}.json`);
  writeFileSync(path, `${JSON.stringify(config, undefined, 2)}\n`);
  return path;
}

/** Bundles without deploying, so that a build fault is found before anything is created. */
function checkBundle({ run, say, dir }: DeployContext, path: string): void {
  const output = outputOf(run, "Bundling the Worker", [
    "deploy",
    "--dry-run",
    "--outdir",
    resolve(dir, "bundle"),
    "--config",
    path,
  ]);
  const kib = Number(/gzip: ([\d.]+) KiB/.exec(output)?.[1] ?? Number.NaN);
  if (Number.isNaN(kib)) throw new DeployError(`wrangler did not say how large the Worker is:\n${output.trim()}`);
  if (kib > BUNDLE_KIB_MAX)
    throw new DeployError(`The Worker is ${kib} KiB compressed; ${BUNDLE_KIB_MAX} are allowed.`);
  say(`the Worker bundles: ${kib} KiB compressed`);
}

function sayPlan({ say }: DeployContext, { config, host, pairedSecrets }: Environment): void {
  const resources = [
    ...config.kv_namespaces.map(({ id }) => `KV namespace ${id}`),
    ...config.d1_databases.map(({ database_name: name }) => `D1 database ${name}`),
    ...config.r2_buckets.map(({ bucket_name: name }) => `R2 bucket ${name}`),
  ];
  say(`A deployment would, for ${config.name} on ${host}:`);
  say(`  1. find or create: ${resources.join(", ")}`);
  say(`  2. check that every secret is set${pairedSecrets.length === 0 ? "" : ` (${pairedSecrets.join(", ")} too)`}`);
  say("     (or make the required ones, with --create-secrets)");
  say("  3. refuse hosts that are another Worker's or have another DNS record (unless --take-over)");
  say("  4. apply the directory's migrations");
  say("  5. deploy, then ask /health for this version, and /ready");
}

function sayOnce(say: (line: string) => void, values: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(values)) say(`${name}, shown this once: ${value}`);
}
