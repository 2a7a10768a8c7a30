// Finds who uses a deployment's hosts now. Wrangler asks before it takes a host from another Worker or replaces a DNS
// record, but only at a terminal; run by a program it overrides both silently. So we first ask Cloudflare what wrangler
// would ask.

import * as z from "zod";
import type { DeployConfig } from "./environment.ts";
import { DeployError, jsonOf, outputOf, type Wrangler } from "./wrangler.ts";

const API = "https://api.cloudflare.com/client/v4";
const ANSWER_MS = 30_000;

const tokenSchema = z.union([
  z.object({ type: z.enum(["oauth", "api_token"]), token: z.string() }),
  z.object({ type: z.literal("api_key"), key: z.string(), email: z.string() }),
]);
const whoSchema = z.object({ accounts: z.array(z.object({ id: z.string(), name: z.string() })).default([]) });
const changesetSchema = z.object({
  result: z.object({
    updated: z
      .array(z.object({ id: z.string(), hostname: z.string(), modified: z.boolean().default(false) }))
      .default([]),
    conflicting: z.array(z.object({ hostname: z.string() })).default([]),
  }),
});
const recordSchema = z.object({ result: z.object({ hostname: z.string(), service: z.string() }) });

export interface CloudflareApi {
  readonly run: Wrangler;
  readonly fetch: typeof fetch;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** What the deployment of `config` would take from others, one sentence each. Throws DeployError if that is unknown. */
export async function conflictsOf(api: CloudflareApi, config: DeployConfig): Promise<readonly string[]> {
  const hosts = config.routes.filter((route) => route["custom_domain"] === true);
  if (hosts.length === 0) return [];
  const account = accountOf(api);
  const origins = hosts.map(({ pattern, zone_id, zone_name }) => ({ hostname: pattern, zone_id, zone_name }));
  const path = `/accounts/${account}/workers/scripts/${config.name}/domains/changeset?replace_state=true`;
  const { result } = changesetSchema.parse(await call(api, path, origins));
  const others = await Promise.all(
    result.updated
      .filter(({ modified }) => modified)
      .map(async ({ id }) => {
        const record = await call(api, `/accounts/${account}/workers/domains/records/${id}`);
        const { hostname, service } = recordSchema.parse(record).result;
        return service === config.name ? undefined : `${hostname} belongs to the Worker ${service}.`;
      }),
  );
  const records = result.conflicting.map(({ hostname }) => `${hostname} has a DNS record that points elsewhere.`);
  return [...others.filter((sentence) => sentence !== undefined), ...records];
}

function accountOf({ run, environment }: CloudflareApi): string {
  const given = environment["CLOUDFLARE_ACCOUNT_ID"];
  if (given !== undefined && given !== "") return given;
  const { accounts } = whoSchema.parse(jsonOf(outputOf(run, "Asking Cloudflare who this is", ["whoami", "--json"])));
  const [only, ...more] = accounts;
  if (only !== undefined && more.length === 0) return only.id;
  const names = accounts.map(({ id, name }) => `${name} (${id})`).join(", ");
  throw new DeployError(`Set CLOUDFLARE_ACCOUNT_ID: this login sees ${names === "" ? "no account" : names}.`);
}

async function call(api: CloudflareApi, path: string, body?: unknown): Promise<unknown> {
  const token = tokenSchema.parse(jsonOf(outputOf(api.run, "Reading the login", ["auth", "token", "--json"])));
  const headers =
    token.type === "api_key"
      ? { "x-auth-key": token.key, "x-auth-email": token.email }
      : { authorization: `Bearer ${token.token}` };
  const base = api.environment["CLOUDFLARE_API_BASE_URL"] ?? API;
  const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const answer = await api
    .fetch(`${base}${path}`, {
      ...init,
      headers: { ...headers, "content-type": "application/json" },
      signal: AbortSignal.timeout(ANSWER_MS),
    })
    .catch((error: unknown) => {
      throw unknowable(error instanceof Error ? error.message : String(error));
    });
  if (!answer.ok) throw unknowable(`${answer.status} ${(await answer.text()).slice(0, 300)}`);
  return answer.json();
}

function unknowable(reason: string): DeployError {
  return new DeployError(
    `Cloudflare does not say whether the hosts are free: ${reason}\n` +
      "Nothing was taken. Look at them yourself, then add --take-over to deploy without this question.",
  );
}
