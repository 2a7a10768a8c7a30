// The Worker and the files that its pages load, built when a source of theirs has changed: a start without takes half a
// second of processor time less.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildOf, publish } from "../../gpu-backend/build.mjs";
import { buildPageAssets } from "./page-assets.ts";
import { bundleWorker } from "./worker-bundle.ts";

const SOURCES = ["edge", "shared", "docs", "scripts/dev-server", "wrangler.toml", "tsconfig.json", "package-lock.json"];

export interface BuiltEdge {
  readonly worker: string;
  readonly assetsDir: string;
}

/** By entry: a program that starts many edges builds of the same sources. */
const built = new Map<string, Promise<BuiltEdge>>();

/** The text of the Worker with this entry, and the folder of the pages' files, which nobody changes. */
export function builtEdge(entry: string): Promise<BuiltEdge> {
  const known = built.get(entry) ?? buildEdge(entry);
  built.set(entry, known);
  return known;
}

async function buildEdge(entry: string): Promise<BuiltEdge> {
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
