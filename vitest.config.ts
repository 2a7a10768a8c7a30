import { parseArgs } from "node:util";
import { defineConfig } from "vitest/config";
import { DEPLOYED_ASSETS_DIR, buildPageAssets } from "./scripts/dev-server/page-assets.ts";
import { TEST_BINDINGS } from "./test/support/test-bindings.ts";

const { values } = parseArgs({ options: { project: { type: "string", multiple: true } }, strict: false });
const filters = values.project?.map(String) ?? [];

// wrangler.toml names the folder, so it must be there before the Workers runtime reads the configuration.
await buildPageAssets(DEPLOYED_ASSETS_DIR);

// What runs tests in workerd takes two seconds of processor time to load, which a run of Node's projects alone does without.
const WORKERD_PROJECTS = new Set(["shared-workerd", "edge"]);
const mayNeedWorkerd = filters.length === 0 || filters.some((name) => /[*!]/.test(name) || WORKERD_PROJECTS.has(name));
const runtime = mayNeedWorkerd ? await import("@cloudflare/vitest-pool-workers") : undefined;

// One project per runtime and budget (CONTRIBUTING.md, "Tests"). No file parallelism anywhere: two cores, and the
// engine's child processes want both.
// The directory's tables: test/edge/support/directory-tables.ts makes them in a test file's own database.
const MIGRATIONS = await runtime?.readD1Migrations("migrations");
// A project does not inherit the times of the whole: the slowest machine decides, since a test that waits costs nothing.
// One process or isolate for all files of a project: a new one for each took a tenth of all processor time to load.
const common = { setupFiles: ["test/support/no-console.ts"], hookTimeout: 120_000, isolate: false };

/** A backend's first estimates need no two seconds here, and the lane beside this one wants the other processor. */
const FAST_BACKEND = { WARM_UP_SECONDS_MAX: "0.2", THREADS: "1" };

export default defineConfig({
  test: {
    fileParallelism: false,
    maxWorkers: 1,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    projects: [
      { test: { name: "shared-node", include: ["test/shared/**/*.test.ts"], testTimeout: 30_000, ...common } },
      {
        plugins: [workerd()],
        test: { name: "shared-workerd", include: ["test/shared/**/*.test.ts"], testTimeout: 30_000, ...common },
      },
      {
        test: {
          name: "gpu-backend",
          include: ["test/gpu-backend/**/*.test.ts"],
          pool: "forks",
          testTimeout: 60_000,
          ...common,
        },
      },
      {
        plugins: [workerd()],
        test: {
          name: "edge",
          include: ["test/edge/**/*.test.ts"],
          testTimeout: 30_000,
          ...common,
          setupFiles: [...common.setupFiles, "test/edge/support/own-isolate.ts"],
        },
      },
      { test: { name: "sim", include: ["test/{sim,fuzz}/**/*.test.ts"], testTimeout: 60_000, ...common } },
      {
        test: {
          name: "browser",
          include: ["test/browser/*.test.ts"],
          globalSetup: ["test/browser/install.ts"],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          ...common,
          env: FAST_BACKEND,
        },
      },
      { test: { name: "house", include: ["test/{house,scripts}/**/*.test.ts"], testTimeout: 60_000, ...common } },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 120_000,
          ...common,
          env: FAST_BACKEND,
        },
      },
      {
        test: {
          name: "contract",
          include: ["test/contract/*.test.ts"],
          globalSetup: ["test/contract/install.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          ...common,
          env: FAST_BACKEND,
        },
      },
    ],
  },
});

function workerd() {
  return runtime?.cloudflareTest({
    wrangler: { configPath: "./wrangler.toml" },
    miniflare: {
      cf: false,
      // Vitest sends the runtime each module over a WebSocket.
      compatibilityFlags: ["no_web_socket_compression"],
      bindings: { ...TEST_BINDINGS, TEST_MIGRATIONS: MIGRATIONS },
    },
  });
}
