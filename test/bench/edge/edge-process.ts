// This edge as `npm start` runs it (bundled, workerd through Miniflare's API), in a process of its own in front of the
// bench's upstream. Argument: the upstream's origin. Tells by IPC: url and key. Auth, metering, limits and cache are on.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEdgeBefore } from "../../support/edge-server.ts";
import { MODEL } from "./shapes.ts";

const [origin = ""] = process.argv.slice(2);
const dataDir = mkdtempSync(join(tmpdir(), "gigarouter-bench-edge-"));
const { apiKey, edge } = await startEdgeBefore(dataDir, MODEL, [origin]);
// Without the development server's front door, which stands in for Cloudflare's.
process.send?.({ url: edge.workerUrl, apiKey });
process.once("disconnect", () => {
  void edge.stop().finally(() => {
    rmSync(dataDir, { recursive: true, force: true });
    process.exit(0);
  });
});
