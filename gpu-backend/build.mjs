// What `npm start` and the backend run, as JavaScript: a process needs up to a second to load the same as TypeScript. It is
// built when a source has changed, into a folder named by its sources: what is there is complete and never changes, so that
// starts at the same time need no lock, and a server's children are of the server's own build. Plain Node: it runs before
// anything can load TypeScript.
import { createHash, randomUUID } from "node:crypto";
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const SOURCE = /\.(?:tsx?|mjs|js|css|svg)$|tsconfig\.json$/;
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
/** Builds of a name that stay: a server that runs for long reads from its own. */
const BUILDS_KEPT = 8;

/** The folder with the backend's programs, `main.js` and so on. */
export function builtPrograms() {
  const build = buildOf("backend", ["gpu-backend", "shared", "package-lock.json"]);
  if (build.isThere) return build.folder;
  bundleForNode({
    entryPoints: PROGRAMS.map((name) => join(rootFolder(), "gpu-backend", `${name}.ts`)),
    entryNames: "[name]",
    splitting: true,
    sourcemap: true,
    sourcesContent: false,
    outdir: build.unfinished,
  });
  publish(build);
  return build.folder;
}

/** Bundles programs of Node with the packages they need, but for those with native parts. */
export function bundleForNode(options) {
  // In a thread, as it would be by default, esbuild's process lives as long as ours.
  process.env.ESBUILD_WORKER_THREADS = "0";
  const require = createRequire(import.meta.url);
  // It reads this when it is loaded, and a program under tsx has it loaded: there its thread and ours would wait for each other.
  delete require.cache[require.resolve("esbuild")];
  const { buildSync } = require("esbuild");
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

/**
 * Where that which is built of these sources (folders and files below the root) lies. If it is not there, it is made in
 * `unfinished` and published.
 */
export function buildOf(name, sources) {
  // Two folders below the root, as most sources are: paths made from `import.meta.url` lead to the same files.
  const folder = join(rootFolder(), ".build", `${name}-${hashOf(sources)}`);
  return { folder, unfinished: `${folder}.${randomUUID()}`, isThere: existsSync(folder) };
}

/** Gives a build its name, and removes old ones. */
export function publish({ folder, unfinished }) {
  try {
    renameSync(unfinished, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
    // Another start has built the same.
    rmSync(unfinished, { recursive: true });
  }
  const prefix = folder.slice(0, folder.lastIndexOf("-") + 1);
  const builds = readdirSync(dirname(folder))
    .map((name) => join(dirname(folder), name))
    .filter((path) => path.startsWith(prefix))
    .map((path) => ({ path, at: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .toSorted((a, b) => b.at - a.at);
  for (const { path } of builds.slice(BUILDS_KEPT)) rmSync(path, { recursive: true, force: true });
}

function hashOf(sources) {
  const hash = createHash("sha256");
  for (const name of sources.flatMap(filesOf).toSorted()) {
    const content = readFileSync(join(rootFolder(), name));
    hash.update(`${name} ${content.length}\n`).update(content);
  }
  return hash.digest("hex").slice(0, 16);
}

function filesOf(source) {
  const path = join(rootFolder(), source);
  if (!statSync(path).isDirectory()) return [source];
  return readdirSync(path, { recursive: true, encoding: "utf8" })
    .filter((name) => SOURCE.test(name))
    .map((name) => join(source, name));
}

function rootFolder() {
  return join(import.meta.dirname, "..");
}
