// This edge as `npm start` runs it (bundled, workerd through Miniflare's API), in a process of its own in front of the
// bench's upstream. Argument: the upstream's origin. Tells by IPC: url, key, and the keys of an account without credit and
// of one that may call once a minute. Auth, metering, limits and cache are on.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { askOperator, startEdgeBefore } from "../../support/edge-server.ts";
import { MODEL } from "./shapes.ts";

const [origin = ""] = process.argv.slice(2);
const dataDir = mkdtempSync(join(tmpdir(), "gigarouter-bench-edge-"));
const { apiKey, adminKey, edge, url } = await startEdgeBefore(dataDir, MODEL, [origin]);
const poor = await newAccount();
const slow = await newAccount();
const slowPath = `/admin/accounts/${slow.accountId}`;
await askOperator(url, adminKey, "POST", `${slowPath}/grants`, { amount_usd: 5, kind: "free", id: "bench" });
await askOperator(url, adminKey, "PATCH", slowPath, { limits: { requests_per_minute: 1 } });
// Refused for its credit alone, however many calls a minute are made.
await askOperator(url, adminKey, "PATCH", `/admin/accounts/${poor.accountId}`, {
  limits: { requests_per_minute: 1_000_000 },
});
// Without the development server's front door, which stands in for Cloudflare's.
process.send?.({ url: edge.workerUrl, apiKey, poorKey: poor.apiKey, slowKey: slow.apiKey });
process.once("disconnect", () => {
  void edge.stop().finally(() => {
    rmSync(dataDir, { recursive: true, force: true });
    process.exit(0);
  });
});

/** Without credit. */
async function newAccount(): Promise<{ readonly accountId: string; readonly apiKey: string }> {
  const { id } = await askOperator(url, adminKey, "POST", "/admin/accounts", { name: "bench" });
  const path = `/admin/accounts/${String(id)}/keys`;
  const { key } = await askOperator(url, adminKey, "POST", path, { name: "bench" });
  return { accountId: String(id), apiKey: String(key) };
}
