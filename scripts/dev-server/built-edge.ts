// The Worker and the files that its pages load, built when a source of theirs has changed: a start without takes half a
// second of processor time less.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildOf, publish } from "../../gpu-backend/build.mjs";
import { buildPageAssets } from "./page-assets.ts";
import { bundleWorker } from "./worker-bundle.ts";

const SOURCES = ["edge", "shared", "docs", "scripts/dev-server", "wrangler.toml", "tsconfig.json", "package-lock.json"];

/** The text of the Worker with this entry, and the folder of the pages' files, which nobody changes. */
export async function builtEdge(entry: string): Promise<{ worker: string; assetsDir: string }> {
  const build = buildOf("edge", SOURCES);
  if (!build.isThere) {
    const folder = build.unfinished;
    mkdirSync(folder, { recursive: true });
    const [script] = await Promise.all([bundleWorker(entry), buildPageAssets(join(folder, "pages"))]);
    writeFileSync(join(folder, "worker.mjs"), script);
    publish(build);
  }
  return {
    worker: readFileSync(join(build.folder, "worker.mjs"), "utf8"),
    assetsDir: join(build.folder, "pages"),
  };
}
