// Bundles the Worker into one ES module with esbuild, as wrangler does.

import { build } from "esbuild";
import { resolve } from "node:path";
import { ROOT } from "./options.ts";

/** By entry: a program that starts many edges bundles the same sources. */
const bundles = new Map<string, Promise<string>>();

/** Returns the module's text. */
export function bundleWorker(entry: string): Promise<string> {
  const known = bundles.get(entry) ?? bundle(entry);
  bundles.set(entry, known);
  return known;
}

async function bundle(entry: string): Promise<string> {
  const result = await build({
    entryPoints: [resolve(ROOT, entry)],
    absWorkingDir: ROOT,
    bundle: true,
    write: false,
    format: "esm",
    target: "es2023",
    platform: "neutral",
    conditions: ["workerd", "worker", "browser"],
    mainFields: ["module", "main"],
    external: ["cloudflare:*", "node:*"],
    loader: { ".html": "text", ".css": "text", ".svg": "text", ".txt": "text", ".md": "text" },
    logLevel: "silent",
  });
  const [file] = result.outputFiles;
  if (file === undefined) throw new Error("esbuild wrote no bundle");
  return file.text;
}
