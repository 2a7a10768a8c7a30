// Builds the files that pages load (style sheets, scripts, vendored libraries) from edge/pages into one flat folder, and
// the docs pages (guide-files.ts).
// Scripts are bundled and minified, and every file is named by its content, so that it can be cached for ever.
// `manifest.json` maps each name to the current file; it is written last. The Worker serves the folder through its
// ASSETS binding.

import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { guideFiles } from "./guide-files.ts";
import { ROOT } from "./options.ts";

/** The folder of wrangler.toml's `[assets]`, for deployments and for tests inside workerd. */
export const DEPLOYED_ASSETS_DIR = resolve(ROOT, ".build/pages");

/** Our scripts and style sheets are bundled; everything else is copied. */
const SOURCES: Readonly<Record<string, string>> = {
  "site.css": "edge/pages/styles/site.css",
  "docs.css": "edge/pages/styles/docs.css",
  "icon.svg": "edge/pages/images/icon.svg",
  "site.js": "edge/pages/client/site.ts",
  "model.js": "edge/pages/client/model.ts",
  "dashboard.js": "edge/pages/client/dashboard.tsx",
  "playground.js": "edge/pages/client/playground.tsx",
  "scalar.js": "edge/pages/vendor/scalar.js",
};

/** Builds every asset into `folder`, which is created if absent and holds nothing else afterwards. */
export async function buildPageAssets(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const bundled = Object.entries(SOURCES).map(
    async ([name, source]) => [name, await contentsOf(resolve(ROOT, source))] as const,
  );
  const built = [...(await Promise.all(bundled)), ...Object.entries(guideFiles())].map(([name, contents]) => {
    const hash = createHash("sha256").update(contents).digest("hex").slice(0, 16);
    const file = `${basename(name, extname(name))}.${hash}${extname(name)}`;
    writeAtomically(join(folder, file), contents);
    return [name, file] as const;
  });
  const manifest = Object.fromEntries(built.toSorted(([a], [b]) => a.localeCompare(b)));
  writeAtomically(join(folder, "manifest.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
  const current = new Set(["manifest.json", ...Object.values(manifest)]);
  for (const file of readdirSync(folder)) {
    if (!current.has(file)) rmSync(join(folder, file), { recursive: true, force: true });
  }
}

async function contentsOf(source: string): Promise<Uint8Array | string> {
  if (![".ts", ".tsx", ".css"].includes(extname(source))) return readFileSync(source);
  const result = await build({
    entryPoints: [source],
    absWorkingDir: ROOT,
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: ["es2022", "chrome111", "firefox115", "safari16.4"],
    logLevel: "silent",
  });
  const [file] = result.outputFiles;
  if (file === undefined) throw new Error(`esbuild wrote nothing for ${source}`);
  return file.text;
}

/** A reader sees either the old file or the new one. */
function writeAtomically(path: string, contents: Uint8Array | string): void {
  // The temporary file is outside the folder, because the server lists the folder and must not see it.
  const temporary = `${dirname(path)}.${process.pid}.tmp`;
  writeFileSync(temporary, contents);
  renameSync(temporary, path);
}
