// kill -9 of the real process at every kind of moment: what was paid for is never paid again, and every vector is right.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundleForNode } from "../../../gpu-backend/build.mjs";
import { FAKE_PRICE, FakeEmbeddingApi, fakeTokens, fakeVector } from "../../support/fake-embedding-api.ts";
import { mulberry32 } from "../../support/mulberry32.ts";
import { TestJob, embedded, readNpy, rowOf } from "./job.ts";

const TEXTS = Array.from({ length: 400 }, (_, index) => `text ${index % 300}`);
const DISTINCT = [...new Set(TEXTS)];
const ROOT = join(import.meta.dirname, "../../..");

const api = new FakeEmbeddingApi();
let job: TestJob;
let url: string;
let program: string;
beforeAll(async () => {
  url = await api.start();
  job = new TestJob(url);
  program = job.path("embed.mjs");
  // One file, so that a start takes a tenth of a second.
  bundleForNode({
    stdin: {
      contents: 'import { main } from "./scripts/embed/main.ts"; process.exitCode = await main(process.argv.slice(2));',
      resolveDir: ROOT,
    },
    outfile: program,
  });
  job.corpus(TEXTS);
});
afterAll(() => {
  api.stop();
  job.remove();
});

/** Runs the job to its end, or kills it when `isTime` says so. Resolves to its exit code; null where it was killed. */
async function run(isTime: (when: string, turn: number) => boolean, args: readonly string[] = []) {
  const options = ["--url", url, "--out", job.out, "--yes", ...args];
  const child = spawn(process.execPath, [program, job.path("corpus.jsonl"), ...options], {
    env: { ...process.env, GIGAROUTER_API_KEY: "gr-key" },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (piece: Buffer) => (output += piece.toString()));
  api.moment = (when, turn) => void (isTime(when, turn) && child.kill("SIGKILL"));
  const code = await new Promise<number | null>((resolve) => child.once("exit", resolve));
  return { code, output };
}

function expectAllRightOnce(): void {
  const npy = readNpy(job.out);
  expect(npy.shape).toEqual([TEXTS.length, 16]);
  for (const [row, text] of TEXTS.entries()) expect(rowOf(npy, row)).toEqual(fakeVector(text));
  expect(Object.fromEntries(api.charges)).toEqual(Object.fromEntries(DISTINCT.map((text) => [text, 1])));
  const tokens = DISTINCT.reduce((sum, text) => sum + fakeTokens(text), 0);
  expect(api.chargedNanoUsd).toBe(tokens * FAKE_PRICE.batch);
}

test("killed again and again, it pays once for each distinct text, and has every vector", async () => {
  const random = mulberry32(20_261_130);
  const moments = ["received", "charged", "answered"];
  for (let kill = 0; kill < 4; kill += 1) {
    // Small requests, so that there are many moments; of other texts in each run, so that only the folder can repeat one.
    api.textsMax = 7 + ((kill * 4) % 9);
    const at = embedded(api).length + 2 + Math.floor(random() * 8);
    const moment = moments[kill % moments.length];
    const { code, output } = await run((when, turn) => when === moment && turn >= at);
    expect([code, output]).toEqual([null, expect.not.stringContaining("Error")]);
  }
  const { code, output } = await run(() => false);
  expect([code, output]).toEqual([0, expect.stringContaining("400 vectors")]);
  expectAllRightOnce();
  const [, total] = /The job: [\d,]+ tokens, \$([\d.]+)\.\n/.exec(output) ?? [];
  expect(Math.round(Number(total) * 1e9)).toBe(api.chargedNanoUsd);
});
