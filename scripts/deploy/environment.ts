// One environment of wrangler.toml as a configuration of its own. Bindings stand once, at the top of the file; an
// [env.NAME] section holds only what differs. Wrangler itself would deploy such a section without any binding, so the
// whole is written out for it here. Half a configuration is told with every fault it has, not the first alone.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parse } from "smol-toml";
import * as z from "zod";
import { ROOT } from "../dev-server/options.ts";
import { DeployError } from "./wrangler.ts";

const binding = z.looseObject({ binding: z.string() });
const wranglerSchema = z.looseObject({
  name: z.string(),
  main: z.string(),
  build: z.looseObject({ command: z.string() }),
  assets: z.looseObject({ directory: z.string() }),
  vars: z.record(z.string(), z.string()).default({}),
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
      vars: z.record(z.string(), z.string()).default({}),
    }),
  ),
});

/** What `wrangler --config FILE` gets, written-out fields and all others as they are in wrangler.toml. */
export interface DeployConfig {
  readonly [other: string]: unknown;
  readonly name: string;
  readonly routes: readonly { readonly pattern: string }[];
  readonly vars: Readonly<Record<string, string>>;
  readonly kv_namespaces: readonly { readonly binding: string; readonly id: string }[];
  readonly d1_databases: readonly { readonly database_name: string; readonly database_id: string }[];
  readonly r2_buckets: readonly { readonly bucket_name: string }[];
}

export interface Environment {
  readonly name: string;
  readonly config: DeployConfig;
  /** Host that customers call: the first route's. */
  readonly host: string;
  /** What keeps it from being deployed, a sentence each. */
  readonly faults: readonly string[];
}

const backendsSchema = z.array(z.object({ model: z.string().regex(/^[^/]+\/[^/]+$/), origin: z.url() })).min(1);

/** Throws DeployError when there is no environment `name`; what is wrong within it stands in `faults`. */
export function readEnvironment(
  name: string,
  toml = readFileSync(resolve(ROOT, "wrangler.toml"), "utf8"),
): Environment {
  const { env: environments, ...top } = wranglerSchema.parse(parse(toml));
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
  return { name, config, host: hostOf(config.routes[0]?.pattern ?? ""), faults: faultsOf(name, config) };
}

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
