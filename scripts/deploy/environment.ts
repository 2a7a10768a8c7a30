// Writes one environment of wrangler.toml out as a complete configuration. The file has the bindings once, at the top;
// an [env.NAME] section holds only what differs, and wrangler would deploy such a section without any binding. All
// faults of a configuration are reported, not only the first.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parse } from "smol-toml";
import * as z from "zod";
import { ConfigError, FEATURES, SECRET_SETTINGS, readConfig } from "../../edge/settings.ts";
import { SECRET_NAMES } from "../dev-server/data-folder.ts";
import { ROOT } from "../dev-server/options.ts";
import { DeployError } from "./wrangler.ts";

/** TOML may write these without quotes; the Worker reads text. */
const vars = z
  .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
  .transform((given) => Object.fromEntries(Object.entries(given).map(([name, value]) => [name, String(value)])));

const binding = z.looseObject({ binding: z.string() });
const wranglerSchema = z.looseObject({
  name: z.string(),
  main: z.string(),
  build: z.looseObject({ command: z.string() }),
  assets: z.looseObject({ directory: z.string() }),
  vars: vars.default({}),
  kv_namespaces: z.array(binding.extend({ id: z.string() })).default([]),
  d1_databases: z
    .array(
      binding.extend({ database_name: z.string(), database_id: z.string(), migrations_dir: z.string().optional() }),
    )
    .default([]),
  r2_buckets: z.array(binding.extend({ bucket_name: z.string() })).default([]),
  env: z.record(
    z.string(),
    z.looseObject({
      routes: z.array(z.looseObject({ pattern: z.string() })).default([]),
      vars: vars.default({}),
    }),
  ),
});

/** The configuration for `wrangler --config FILE`: the fields below, and all others as they are in wrangler.toml. */
export interface DeployConfig {
  readonly [other: string]: unknown;
  readonly name: string;
  readonly routes: readonly { readonly pattern: string; readonly [other: string]: unknown }[];
  readonly vars: Readonly<Record<string, string>>;
  readonly kv_namespaces: readonly { readonly binding: string; readonly id: string }[];
  readonly d1_databases: readonly { readonly database_name: string; readonly database_id: string }[];
  readonly r2_buckets: readonly { readonly bucket_name: string }[];
}

export interface Environment {
  readonly name: string;
  readonly config: DeployConfig;
  /** The host that customers call: that of the first route. */
  readonly host: string;
  /** Why it cannot be deployed, one sentence each. */
  readonly faults: readonly string[];
  /** Secrets that a set optional feature needs: without them the feature would stay off. */
  readonly pairedSecrets: readonly string[];
}

const backendsSchema = z.array(z.object({ model: z.string().regex(/^[^/]+\/[^/]+$/), origin: z.url() })).min(1);

/** Throws DeployError if there is no environment `name`; what is wrong within it is in `faults`. */
export function readEnvironment(
  name: string,
  toml = readFileSync(resolve(ROOT, "wrangler.toml"), "utf8"),
): Environment {
  const { env: environments, ...top } = parsedToml(toml);
  const own = environments[name];
  if (own === undefined) {
    throw new DeployError(`wrangler.toml has no [env.${name}]; it has ${Object.keys(environments).join(", ")}.`);
  }
  const worker = `${top.name}-${name}`;
  const config: DeployConfig = {
    ...top,
    ...own,
    name: worker,
    main: resolve(ROOT, top.main),
    build: { ...top.build, cwd: ROOT },
    assets: { ...top.assets, directory: resolve(ROOT, top.assets.directory) },
    vars: { ...top.vars, ...own.vars },
    kv_namespaces: top.kv_namespaces.map((entry) => ({ ...entry, id: `${worker}-${entry.id}` })),
    d1_databases: top.d1_databases.map((entry) => ({
      ...entry,
      database_name: `${worker}-${entry.database_name}`,
      ...(entry.migrations_dir !== undefined && { migrations_dir: resolve(ROOT, entry.migrations_dir) }),
    })),
    r2_buckets: top.r2_buckets.map((entry) => ({ ...entry, bucket_name: `${worker}-${entry.bucket_name}` })),
  };
  const pairedSecrets = FEATURES.flatMap(({ settings }) =>
    settings.some((setting) => config.vars[setting]) ? settings.filter((setting) => SECRET_SETTINGS.has(setting)) : [],
  );
  const faults = [...faultsOf(name, config), ...settingFaults(config, [...SECRET_NAMES, ...pairedSecrets])];
  return { name, config, host: hostOf(config.routes[0]?.pattern ?? ""), faults, pairedSecrets };
}

function parsedToml(toml: string): z.output<typeof wranglerSchema> {
  try {
    return wranglerSchema.parse(parse(toml));
  } catch (error) {
    const [issue] = error instanceof z.ZodError ? error.issues : [];
    const reason = issue === undefined ? String(error) : `${issue.path.join(".")}: ${issue.message}`;
    throw new DeployError(`wrangler.toml cannot be read: ${reason}`);
  }
}

/** What the Worker would say about `config` with secrets of these names, by its own parser. */
export function settingFaults({ vars: settings }: DeployConfig, secretNames: Iterable<string>): readonly string[] {
  const secrets = Object.fromEntries([...secretNames].map((name) => [name, PRESENT]));
  const open = Object.keys(settings)
    .filter((name) => SECRET_SETTINGS.has(name) && settings[name] !== "")
    .map((name) => `vars.${name}: is a secret: npx wrangler secret put ${name}, and take it out of the file.`);
  try {
    // `backendFaults` reports a broken BACKENDS.
    return [
      ...open,
      ...readConfig({ ...settings, BACKENDS: "[]", ...secrets }).problems.map((text) => `vars: ${text}`),
    ];
  } catch (error) {
    if (error instanceof ConfigError) return [...open, error.message];
    throw error;
  }
}

/** A placeholder for a secret, whose value cannot be read back: of the form of those that --create-secrets makes. */
const PRESENT = "x".repeat(43);

function faultsOf(name: string, config: DeployConfig): readonly string[] {
  const faults: string[] = [];
  const hosts = config.routes.map(({ pattern }) => hostOf(pattern));
  if (hosts.length === 0) faults.push(`routes: the host that customers call is missing.`);
  for (const host of hosts.filter(isPlaceholder)) faults.push(`routes: ${host} is a placeholder.`);
  faults.push(...backendFaults(config.vars["BACKENDS"] ?? ""));
  const adminHost = config.vars["ADMIN_HOST"];
  if (adminHost === undefined || adminHost === "") {
    if (name === "production") faults.push("vars.ADMIN_HOST: operators need a host of their own in production.");
  } else if (isPlaceholder(adminHost)) {
    faults.push(`vars.ADMIN_HOST: ${adminHost} is a placeholder.`);
  } else if (!hosts.includes(adminHost)) {
    faults.push(`vars.ADMIN_HOST: ${adminHost} is in none of the routes, so nobody could reach it.`);
  }
  return faults;
}

function backendFaults(text: string): readonly string[] {
  let backends: z.output<typeof backendsSchema>;
  try {
    backends = backendsSchema.parse(JSON.parse(text));
  } catch {
    return ['vars.BACKENDS: must be JSON like [{"model": "owner/name", "origin": "https://…"}], with at least one.'];
  }
  return backends.flatMap(({ origin }) => {
    const url = new URL(origin);
    if (isPlaceholder(url.hostname)) return [`vars.BACKENDS: ${origin} is a placeholder.`];
    return url.protocol === "https:" ? [] : [`vars.BACKENDS: ${origin} must be https: texts travel there.`];
  });
}

function hostOf(pattern: string): string {
  return pattern.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
}

function isPlaceholder(host: string): boolean {
  return /(^|\.)example(\.com|\.org|\.net)?$/.test(host);
}
