// The backend's programs as JavaScript, because a process needs up to a second to load them as TypeScript. They are built
// when a source has changed, into a folder named by its sources: what is there is complete and never changes, so that
// starts at the same time need no lock, and a server's children are of the server's own build. Plain Node: it runs before
// anything can load TypeScript.
import { createHash, randomUUID } from "node:crypto";
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const PROGRAMS = [
  "main",
  "choice/cuda-trial-process",
  "choice/trial-process",
  "engine/engine-process",
  "engine/graph-thread-entry",
  "tokenizer/tokenizer-process",
];
/** They find their native parts and tables in their own folders. */
const PACKAGES_APART = ["esbuild", "js-tiktoken", "onnxruntime-node", "tokenizers"];
/** Builds that stay: a server that runs for long starts its children from its own. */
const BUILDS_KEPT = 16;

/** The folder with the programs, `main.js` and so on. */
export function builtPrograms() {
  const root = join(import.meta.dirname, "..");
  const builds = join(root, ".build");
  // Two folders below the root, as the sources are: paths made from `import.meta.url` lead to the same files.
  const folder = join(builds, `backend-${hashOfSources(root)}`);
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.${randomUUID()}`;
  bundleForNode({
    entryPoints: PROGRAMS.map((name) => join(root, "gpu-backend", `${name}.ts`)),
    entryNames: "[name]",
    splitting: true,
    sourcemap: true,
    sourcesContent: false,
    outdir: unfinished,
  });
  try {
    renameSync(unfinished, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
    // Another start has built the same.
    rmSync(unfinished, { recursive: true });
  }
  removeOldBuilds(builds);
  return folder;
}

/** Bundles programs of Node with the packages they need, but for those with native parts. */
export function bundleForNode(options) {
  const { buildSync } = createRequire(import.meta.url)("esbuild");
  buildSync({
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    external: PACKAGES_APART,
    // Packages in CommonJS call it.
    banner: { js: 'import { createRequire as made } from "node:module"; const require = made(import.meta.url);' },
    logLevel: "error",
    ...options,
  });
}

function hashOfSources(root) {
  const sources = ["gpu-backend", "shared"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => /\.(?:ts|mjs)$/.test(name))
      .map((name) => join(folder, name)),
  );
  const hash = createHash("sha256");
  for (const name of [...sources.toSorted(), "package-lock.json"]) {
    const content = readFileSync(join(root, name));
    hash.update(`${name} ${content.length}\n`).update(content);
  }
  return hash.digest("hex").slice(0, 16);
}

function removeOldBuilds(builds) {
  const folders = readdirSync(builds)
    .filter((name) => name.startsWith("backend-"))
    .map((name) => join(builds, name))
    .map((path) => ({ path, at: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .toSorted((a, b) => b.at - a.at);
  for (const { path } of folders.slice(BUILDS_KEPT)) rmSync(path, { recursive: true, force: true });
}
