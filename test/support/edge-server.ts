// The edge in the real Workers runtime in front of fake backends over HTTP, for tests with misbehaving backends and for
// benches.

import { join } from "node:path";
import { ensureDevAccount } from "../../scripts/dev-server/account.ts";
import { DataFolder } from "../../scripts/dev-server/data-folder.ts";
import { startEdge } from "../../scripts/dev-server/edge.ts";
import type { RunningEdge } from "../../scripts/dev-server/edge.ts";
import { FakeBackendServer } from "./fake-backend-server.ts";
import type { FakeBackendOptions } from "./fake-backend-server.ts";

export const FAKE_MODEL = "owner/fake-model";

export interface EdgeUnderTest {
  readonly url: string;
  readonly apiKey: string;
  readonly adminKey: string;
  readonly accountId: string;
  readonly backends: readonly FakeBackendServer[];
  readonly edge: RunningEdge;
  /** What the Worker logged. */
  readonly logs: readonly string[];
  /** Creates another account with $5 and limits that no test reaches; `cache` is its key's setting. */
  newAccount(cache?: "off" | "standard" | "eager"): Promise<AccountUnderTest>;
  stop(): Promise<void>;
}

export interface AccountUnderTest {
  readonly accountId: string;
  readonly apiKey: string;
  /** The total charged, as the operator sees it now. */
  charged(): Promise<number>;
}

const REQUESTS_PER_MINUTE = 1_000_000;
const TOKENS_PER_MINUTE = 1_000_000_000;

/** Starts `count` fake backends for one model and an edge that knows them; no test reaches the account's limits. */
export async function startEdgeUnderTest(
  dataDir: string,
  count: number,
  backendOptions: Partial<FakeBackendOptions> = {},
  entry?: string,
): Promise<EdgeUnderTest> {
  const secret = new DataFolder(dataDir).secrets().BACKEND_SECRET;
  const backends = Array.from(
    { length: count },
    () => new FakeBackendServer({ model: FAKE_MODEL, secret, ...backendOptions }),
  );
  await Promise.all(backends.map((backend) => backend.start()));
  const started = await startEdgeBefore(
    dataDir,
    FAKE_MODEL,
    backends.map(({ origin }) => origin),
    {},
    entry,
  );
  return {
    ...started,
    backends,
    newAccount: (cache) => newAccount(dataDir, started.url, started.adminKey, cache),
    stop: async () => {
      await Promise.all([started.edge.stop(), ...backends.map((backend) => backend.stop())]);
    },
  };
}

/** Starts the edge in front of backends that run elsewhere. `settings` go to the Worker; `entry` replaces its own. */
export async function startEdgeBefore(
  dataDir: string,
  model: string,
  origins: readonly string[],
  settings: Readonly<Record<string, string>> = {},
  entry?: string,
): Promise<Omit<EdgeUnderTest, "backends" | "newAccount" | "stop">> {
  const folder = new DataFolder(dataDir);
  const secrets = folder.secrets();
  const logs: string[] = [];
  const edge = await startEdge({
    port: 0,
    persistDir: join(dataDir, "edge"),
    bindings: { ...secrets, ...settings, BACKENDS: JSON.stringify(origins.map((origin) => ({ model, origin }))) },
    onLog: (line) => logs.push(line),
    ...(entry === undefined ? {} : { entry }),
  });
  const adminKey = secrets.ADMIN_KEY;
  const account = await ensureDevAccount(folder, edge.url, adminKey);
  await unlimit(edge.url, adminKey, account.accountId);
  return { url: edge.url, ...account, adminKey, edge, logs };
}

async function newAccount(
  dataDir: string,
  url: string,
  adminKey: string,
  cache = "standard",
): Promise<AccountUnderTest> {
  const made = await ensureDevAccount(new DataFolder(join(dataDir, crypto.randomUUID())), url, adminKey);
  await unlimit(url, adminKey, made.accountId);
  const key = await askOperator(url, adminKey, "POST", `/admin/accounts/${made.accountId}/keys`, {
    name: cache,
    cache,
  });
  return {
    accountId: made.accountId,
    apiKey: String(key["key"]),
    charged: async () => {
      const headers = { authorization: `Bearer ${adminKey}` };
      const response = await fetch(`${url}/admin/accounts/${made.accountId}`, { headers });
      return Number(((await response.json()) as Record<string, unknown>)["charged_nano_usd"]);
    },
  };
}

/** The operator's API's answer; throws if it is not a success. */
export async function askOperator(
  url: string,
  key: string,
  method: "POST" | "PATCH",
  path: string,
  body: object,
): Promise<Record<string, unknown>> {
  const response = await fetch(url + path, {
    method,
    // Not on a kept connection, which the server may close in the moment in which it is used again.
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", connection: "close" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as Record<string, unknown>;
}

async function unlimit(url: string, adminKey: string, accountId: string): Promise<void> {
  const limits = { requests_per_minute: REQUESTS_PER_MINUTE, tokens_per_minute: TOKENS_PER_MINUTE };
  await askOperator(url, adminKey, "PATCH", `/admin/accounts/${accountId}`, { limits });
}
