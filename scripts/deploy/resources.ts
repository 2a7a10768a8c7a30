// Finds the resources of a Worker's bindings at Cloudflare by name, creates missing ones, and fills in their ids. Every
// step can be repeated, so that an interrupted deployment continues where it stopped.

import * as z from "zod";
import type { DeployConfig } from "./environment.ts";
import { DeployError, jsonOf, outputOf, type Wrangler } from "./wrangler.ts";

const namespacesSchema = z.array(z.object({ id: z.string(), title: z.string() }));
const databasesSchema = z.array(z.object({ uuid: z.string(), name: z.string() }));

/** The configuration with the ids of its resources. `say` reports each one that is created. */
export function provide(run: Wrangler, config: DeployConfig, say: (line: string) => void): DeployConfig {
  const kvNamespaces = config.kv_namespaces.map((entry) => ({ ...entry, id: namespaceId(run, entry.id, say) }));
  const databases = config.d1_databases.map((entry) => ({
    ...entry,
    database_id: databaseId(run, entry.database_name, say),
  }));
  for (const { bucket_name: bucket } of config.r2_buckets) ensureBucket(run, bucket, say);
  return { ...config, kv_namespaces: kvNamespaces, d1_databases: databases };
}

function namespaceId(run: Wrangler, title: string, say: (line: string) => void): string {
  const find = (): string | undefined =>
    namespacesSchema
      .parse(jsonOf(outputOf(run, "Listing the KV namespaces", ["kv", "namespace", "list"])))
      .find((namespace) => namespace.title === title)?.id;
  const known = find();
  if (known !== undefined) return known;
  say(`creating the KV namespace ${title}`);
  outputOf(run, `Creating the KV namespace ${title}`, ["kv", "namespace", "create", title]);
  return created(find(), `KV namespace ${title}`);
}

function databaseId(run: Wrangler, name: string, say: (line: string) => void): string {
  const find = (): string | undefined =>
    databasesSchema
      .parse(jsonOf(outputOf(run, "Listing the D1 databases", ["d1", "list", "--json"])))
      .find((database) => database.name === name)?.uuid;
  const known = find();
  if (known !== undefined) return known;
  say(`creating the D1 database ${name}`);
  outputOf(run, `Creating the D1 database ${name}`, ["d1", "create", name]);
  return created(find(), `D1 database ${name}`);
}

/** Uses `r2 bucket info`, because the list of buckets has no JSON form and comes in pages. */
function ensureBucket(run: Wrangler, name: string, say: (line: string) => void): void {
  if (run(["r2", "bucket", "info", name]).status === 0) return;
  say(`creating the R2 bucket ${name}`);
  outputOf(run, `Creating the R2 bucket ${name}`, ["r2", "bucket", "create", name]);
}

function created(id: string | undefined, what: string): string {
  if (id === undefined) throw new DeployError(`The ${what} was created but is not listed; try again in a minute.`);
  return id;
}
