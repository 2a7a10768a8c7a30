// A new revision goes from pod to pod, each pod an origin of its own, as the Kubernetes manifests roll it: real backends
// on real sockets, one going and coming back as another revision while customers call. No call fails.

import { once } from "node:events";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DataFolder } from "../../scripts/dev-server/data-folder.ts";
import type { RunningBackend } from "../gpu-backend/server/running-backend.ts";
import { DEMO_DIR, MODEL, startBackend } from "../gpu-backend/server/running-backend.ts";
import { removeFolder, temporaryFolder } from "../support/dev-server.ts";
import { startEdgeBefore } from "../support/edge-server.ts";

const CALLS = 200;
const AT_ONCE = 2;
const folder = temporaryFolder();
const secret = new DataFolder(folder).secrets().BACKEND_SECRET;
const next = join(folder, "next");
const pods: RunningBackend[] = [];
let edge: Awaited<ReturnType<typeof startEdgeBefore>>;

const startPod = (args: readonly string[]) =>
  startBackend(["--model-id", MODEL, ...args], { BACKEND_SECRET: secret, DRAIN_MS_MAX: "5000" });

beforeAll(async () => {
  cpSync(DEMO_DIR, next, { recursive: true, filter: (source) => !source.includes(".compiled") });
  const path = join(next, "config.json");
  // Another epsilon is another revision of the same shape.
  writeFileSync(path, readFileSync(path, "utf8").replace(/"rms_norm_eps": [^,\n]+/, '"rms_norm_eps": 2e-06'));
  for (const _ of [0, 1]) pods.push(await startPod([]));
  edge = await startEdgeBefore(
    folder,
    MODEL,
    pods.map(({ origin }) => origin),
  );
});
afterAll(async () => {
  await edge.edge.stop();
  await Promise.all(pods.map((pod) => pod.close()));
  removeFolder(folder);
});

/** As a StatefulSet does it: SIGTERM, gone, the new one under the old name, ready, then the next. */
async function roll(): Promise<void> {
  for (const [index, pod] of pods.entries()) {
    const ended = once(pod.child, "exit");
    pod.child.kill("SIGTERM");
    await ended;
    pods[index] = await startPod(["--model", next, "--port", new URL(pod.origin).port]);
  }
}

test("hundreds of calls during a roll over two pods: none fails, and the new revision serves at the end", async () => {
  const failures: string[] = [];
  const revisions = new Set<string>();
  const state = { called: 0, rolled: false };
  const rolling = roll().then(() => (state.rolled = true));
  async function caller(): Promise<void> {
    while (state.called < CALLS || !state.rolled) {
      state.called += 1;
      const response = await fetch(`${edge.url}/v1/embeddings`, {
        method: "POST",
        headers: { authorization: `Bearer ${edge.apiKey}`, "content-type": "application/json" },
        body: JSON.stringify({ model: MODEL, input: `call ${state.called} of the roll` }),
      });
      const text = await response.text();
      if (response.status !== 200) failures.push(`${response.status} ${text}`);
      else revisions.add(response.headers.get("x-model-revision") ?? "");
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, caller));
  await rolling;
  expect(failures).toEqual([]);
  expect(revisions.size).toBe(2);
});
