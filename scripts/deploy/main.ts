// A deployment from nothing, or over what is there: check, provide, secrets, migrate, deploy, look. `--dry-run` checks
// and bundles without a network and prints the steps it would take.

import { mkdirSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "../dev-server/options.ts";
import { type DeployConfig, type Environment, readEnvironment } from "./environment.ts";
import { provide } from "./resources.ts";
import { createSecrets, missingSecrets } from "./secrets.ts";
import { DeployError, outputOf, type Wrangler, wrangler } from "./wrangler.ts";

const USAGE = "npm run deploy -- --env staging|production [--dry-run] [--create-secrets]";
/** A paid plan's Worker, compressed. Source: Cloudflare's limits page. */
const BUNDLE_KIB_MAX = 10 * 1024;

export interface DeployContext {
  readonly run: Wrangler;
  readonly say: (line: string) => void;
  readonly fetch: typeof fetch;
  /** Where the written-out configuration goes. */
  readonly dir: string;
}

const REAL: DeployContext = {
  run: wrangler,
  say: (line) => void process.stdout.write(`${line}\n`),
  fetch,
  dir: resolve(ROOT, ".build/deploy"),
};

/** Exit code: 0 deployed (or could be), 1 refused or failed; every reason is one paragraph. */
export async function main(args: readonly string[], context: DeployContext = REAL): Promise<number> {
  try {
    const options = readOptions(args);
    const environment = readEnvironment(options.env);
    const path = writeConfig(context, environment.name, environment.config);
    if (!options.dryRun) refuse(environment);
    checkBundle(context, path);
    if (options.dryRun) {
      sayPlan(context, environment);
      refuse(environment);
    } else {
      await deploy(context, environment, options.createSecrets);
    }
    return 0;
  } catch (error) {
    if (!(error instanceof DeployError)) throw error;
    context.say(`Not deployed. ${error.message}`);
    return 1;
  }
}

function readOptions(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        env: { type: "string" },
        "dry-run": { type: "boolean", default: false },
        "create-secrets": { type: "boolean", default: false },
      },
    });
    if (values.env === undefined) throw new Error("--env is missing.");
    return { env: values.env, dryRun: values["dry-run"], createSecrets: values["create-secrets"] };
  } catch (error) {
    throw new DeployError(`${error instanceof Error ? error.message : String(error)} Usage: ${USAGE}`);
  }
}

function refuse({ name, faults }: Environment): void {
  if (faults.length === 0) return;
  const list = faults.map((fault) => `  - ${fault}`).join("\n");
  throw new DeployError(`[env.${name}] of wrangler.toml is not complete:\n${list}`);
}

async function deploy(context: DeployContext, { name, config, host }: Environment, create: boolean): Promise<void> {
  const { run, say } = context;
  outputOf(run, "Asking Cloudflare who this is", ["whoami"]);
  const provided = provide(run, config, say);
  const path = writeConfig(context, name, provided);
  const missing = missingSecrets(run, path);
  if (missing.length > 0 && !create) {
    throw new DeployError(
      `The Worker ${config.name} lacks ${missing.join(", ")}. Add --create-secrets to make them from random bytes, or ` +
        `set each with: npx wrangler secret put NAME --config ${path}`,
    );
  }
  if (missing.length > 0) sayOnce(say, createSecrets(run, path, missing));
  for (const { database_name: database } of provided.d1_databases) {
    say(`migrating ${database}`);
    outputOf(run, `Migrating ${database}`, ["d1", "migrations", "apply", database, "--remote", "--config", path]);
  }
  say(`deploying ${config.name}`);
  outputOf(run, "Deploying", ["deploy", "--config", path]);
  await look(context, host);
}

/** The Worker is deployed whatever this finds; it says what a customer would meet now. */
async function look({ fetch: get, say }: DeployContext, host: string): Promise<void> {
  for (const path of ["/health", "/ready"]) {
    const url = `https://${host}${path}`;
    const status = await get(url).then(
      ({ status: code }) => String(code),
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    say(`${url}: ${status}`);
  }
  say("Deployed. A /ready that is not 200 names the backend that is not (docs/operating.md).");
}

function writeConfig({ dir }: DeployContext, name: string, config: DeployConfig): string {
  mkdirSync(dir, { recursive: true });
  const path = resolve(dir, `wrangler.${name}.json`);
  writeFileSync(path, `${JSON.stringify(config, undefined, 2)}\n`);
  return path;
}

/** Bundles without deploying: what cannot be built is known before anything is created. */
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

function sayPlan({ say }: DeployContext, { config, host }: Environment): void {
  const resources = [
    ...config.kv_namespaces.map(({ id }) => `KV namespace ${id}`),
    ...config.d1_databases.map(({ database_name: name }) => `D1 database ${name}`),
    ...config.r2_buckets.map(({ bucket_name: name }) => `R2 bucket ${name}`),
  ];
  say(`A deployment would, for ${config.name} on ${host}:`);
  say(`  1. find or create: ${resources.join(", ")}`);
  say("  2. check that every secret is set (or make them, with --create-secrets)");
  say("  3. apply the directory's migrations");
  say("  4. deploy, then ask /health and /ready");
}

function sayOnce(say: (line: string) => void, values: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(values)) say(`${name}, shown this once: ${value}`);
}
