// What the work itself costs in this runtime: a Worker that embeds texts over our wire with the edge's own codecs, without
// key, money, limits, cache, deadline or cancellation. Argument: the upstream's origin. Tells by IPC: url.

import { build } from "esbuild";
import { join } from "node:path";
import { startWorker } from "./bare-runtime.ts";

const [origin = ""] = process.argv.slice(2);
const bundle = await build({
  entryPoints: [join(import.meta.dirname, "worker/bare-worker.ts")],
  bundle: true,
  format: "esm",
  write: false,
  define: { ORIGIN: JSON.stringify(origin) },
});
const [script] = bundle.outputFiles;
if (script === undefined) throw new Error("nothing was bundled");
await startWorker(script.text);
