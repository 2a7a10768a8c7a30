// check:gpu, bench:gpu and gpu:bundle themselves, so that they run at the first try on a machine that is there for minutes: on the CPU in the
// card's place, and on the card that computes nothing, whose vectors are all wrong. The first two run as gpu:bundle's do, in one file
// each, since they start themselves again for each mode and need a second to load as TypeScript.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { bundleForNode } from "../../../gpu-backend/build.mjs";
import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { faultsOf } from "../../bench/gpu/check-faults.ts";
import { DEMO_MODEL_DIR } from "../engine/demo-reference.ts";
import { makeFakeCuda, whyNoFakeCuda } from "./fake-cuda.ts";

const ROOT = join(import.meta.dirname, "../../..");
const work = mkdtempSync(join(tmpdir(), "gpu-scripts-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** The root as the bundles see it: they look for files where the scripts' sources do. */
const BUNDLED_ROOT = join(work, "root");
const SCRIPTS = "test/bench/gpu";
const READ_BY_SCRIPTS = ["node_modules", "gpu-backend", "test/vectors"];
beforeAll(() => {
  for (const path of READ_BY_SCRIPTS) {
    mkdirSync(dirname(join(BUNDLED_ROOT, path)), { recursive: true });
    symlinkSync(join(ROOT, path), join(BUNDLED_ROOT, path));
  }
  bundleForNode({
    entryPoints: ["check", "main"].map((name) => join(ROOT, SCRIPTS, `${name}.ts`)),
    outdir: join(BUNDLED_ROOT, SCRIPTS),
    outExtension: { ".js": ".mjs" },
  });
});

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

type Script = "check" | "main" | "bundle";

/** No Python: torch is not this test's. */
function start(
  script: Script,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): ChildProcess {
  const program =
    script === "bundle"
      ? ["--import", "tsx", join(ROOT, SCRIPTS, "bundle.ts")]
      : [join(BUNDLED_ROOT, SCRIPTS, `${script}.mjs`)];
  return spawn(process.execPath, [...program, ...args], {
    cwd: ROOT,
    env: { ...process.env, PYTHON: "/nowhere/python", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function end(child: ChildProcess): Promise<Ended> {
  let [stdout, stderr] = ["", ""];
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const [code, signal] = await once(child, "close");
  return { code, signal, stdout, stderr };
}

/** Ends a process, and those that it starts, when its first line is out, as a machine that is taken away ends it. */
const CUT = `const write = process.stdout.write.bind(process.stdout);
process.stdout.write = (line) => { write(line); process.kill(process.pid, "SIGKILL"); };`;
const CUT_AT_FIRST_LINE = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(CUT)}` };

const jsonIn = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));
const linesIn = (path: string): Record<string, unknown>[] =>
  readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

/** They take seconds, and minutes where others have the processors. */
const SLOW = { timeout: 300_000 };

describe("check:gpu", SLOW, () => {
  const args = ["--rehearse", "--tokens-max", "64"];

  test("rehearsed on a CPU finds all right, says that it was a rehearsal, and leaves what was compiled before", async () => {
    const out = join(work, "check.json");
    const before = await compileCheckpoint(DEMO_MODEL_DIR, { target: "cpu", precision: "exact" });
    const { code, stderr } = await end(start("check", [...args, "--out", out]));
    expect(stderr).toMatch(/a rehearsal on the CPU provider: it says nothing of a card/);
    expect(code).toBe(0);
    expect(existsSync(before.graphPath)).toBe(true);
    expect(jsonIn(out)).toMatchObject({
      check: "vectors",
      rehearsal: true,
      done: true,
      card: null,
      faults: [],
      limits: { float16: { median: 2e-5, max: 2e-4 }, bfloat16: expect.stringMatching(/torch/) },
      results: expect.arrayContaining(
        [
          { mode: "cpu as-is", subject: "demo", texts: 42, notFinite: 0 },
          { subject: "layout gptq-v1-desc-act" },
          { subject: "demo, hard texts" },
          { subject: "demo, by length", texts: 4 },
        ].map((line) => expect.objectContaining(line)),
      ),
    });
  });

  test("that is cut leaves what it had", async () => {
    const out = join(work, "check-cut.json");
    const { signal } = await end(
      start("check", [...args, "--only", "layout ct-asym", "--out", out], CUT_AT_FIRST_LINE),
    );
    expect(signal).toBe("SIGKILL");
    expect(jsonIn(out)).toMatchObject({ done: false, results: [{ subject: "layout ct-asym", notFinite: 0 }] });
  });

  test.each([
    [["--mode", "cuda-fp8/as-is"], /--mode has cuda-fp8 as-is; it can be cpu\/as-is/],
    [["--only", "layout"], /--only has "layout"; it can be "demo", "layout ct-asym"/],
    [["--modes", "x"], /Unknown option '--modes'/],
  ])("refuses %j with a sentence", async (wrong, sentence) => {
    const { code, stderr } = await end(start("check", ["--rehearse", ...wrong]));
    expect(stderr).toMatch(sentence);
    expect(code).toBe(1);
  });

  test("holds float16 to its limits, bfloat16 to torch's figures, and both to vectors that are numbers", () => {
    const [fp16, bf16] = (["cuda-fp16", "cuda-bf16"] as const).map(
      (target) => ({ target, cudaWeights: "as-is" }) as const,
    );
    const torch = { median: 1e-4, max: 1e-3 };
    const line = { subject: "demo", median: 1e-5, max: 1e-4, notFinite: 0 };
    const faults = (mode = fp16, change: Record<string, unknown> = {}, of: typeof torch | undefined = torch) =>
      mode === undefined ? [] : faultsOf(mode, { ...line, ...change }, of);
    expect(faults()).toEqual([]);
    expect(faults(fp16, { median: 3e-5 })).toEqual([
      "cuda-fp16 as-is, demo: the median is 0.00003 off, 0.00002 is allowed",
    ]);
    expect(faults(fp16, { max: 3e-4 })).toHaveLength(1);
    expect(faults(fp16, { median: null, max: null })).toHaveLength(2);
    expect(faults(bf16, { median: 1.4e-4, max: 1.9e-3 })).toEqual([]);
    expect(faults(bf16, { median: 1.6e-4, max: 2.1e-3 })).toHaveLength(2);
    for (const mode of [fp16, bf16]) {
      expect(faults(mode, { notFinite: 1 })).toEqual([expect.stringMatching(/1 vectors are not finite$/)]);
      expect(faults(mode, { error: "out of memory" })).toEqual([expect.stringMatching(/demo: out of memory$/)]);
      expect(faults(mode, { refusal: "a shape" })).toEqual([expect.stringMatching(/refused: a shape$/)]);
    }
    expect(bf16 && faultsOf(bf16, { ...line, median: 1, max: 1 }, undefined)).toEqual([]);
  });
});

describe("bench:gpu", SLOW, () => {
  const args = ["--rehearse", "--rounds", "1"];

  test("rehearsed on a CPU measures each shape, the most important first, and where the time went last", async () => {
    const out = join(work, "bench.jsonl");
    const { code, stdout, stderr } = await end(start("main", [...args, "--out", out, "--price", "2,3"]));
    expect(stderr).toMatch(/a rehearsal on the CPU: it measures nothing[^]*torch: not measured: no Python/);
    expect(code).toBe(0);
    const [head, ...lines] = linesIn(out);
    expect(head).toMatchObject({ bench: "gpu", rehearsal: true, card: null, peak: null, model: "random tiny" });
    expect(lines.map(({ step, shape }) => [step, shape])).toEqual([
      ["load", undefined],
      ["shape", "1x16"],
      ["shape", "512x16"],
      ["profile", "512x16"],
    ]);
    expect(lines[1]).toMatchObject({
      mode: "cpu as-is",
      tokens: 16,
      rounds: [expect.any(Number)],
      tokensPerSecond: expect.any(Number),
      paddingWaste: 0,
      dollarsPerMillion: { "at $2/h": expect.any(Number), "at $3/h": expect.any(Number) },
    });
    expect(lines[3]?.["operators"]).toEqual(
      expect.arrayContaining([expect.objectContaining({ operator: "MatMulNBits" })]),
    );
    expect(stdout).toMatch(/^tokens\/s +1x16 +512x16\ncpu as-is( +\d+){2}$/m);
  });

  test("that is cut leaves what it had", async () => {
    const out = join(work, "bench-cut.jsonl");
    const { signal } = await end(start("main", [...args, "--out", out], CUT_AT_FIRST_LINE));
    expect(signal).toBe("SIGKILL");
    expect(linesIn(out)).toMatchObject([{ bench: "gpu" }, { step: "load" }]);
  });

  test.each([
    [["--shape", "5B"], /--shape is one of tiny, 0\.6B, 4B, 8B\./],
    [["--rehearse", "--only", "3x3"], /--only has 3x3; it can be mix 16k, 16x2048/],
  ])("refuses %j with a sentence", async (wrong, sentence) => {
    const { code, stderr } = await end(start("main", [...wrong, "--out", join(work, "refused.jsonl")]));
    expect(stderr).toMatch(sentence);
    expect(code).toBe(1);
  });
});

const reason = whyNoFakeCuda();
describe.skipIf(reason !== undefined)(
  `on a card that computes nothing${reason === undefined ? "" : ` (skipped: ${reason})`}`,
  SLOW,
  () => {
    const onFakeCard = async (script: Script, args: readonly string[]): Promise<Ended> => {
      const folder = makeFakeCuda();
      try {
        return await end(
          start(script, args, { CUDA_FOLDER: folder, FAKE_CUDA_WIDTH: "256", FAKE_CUDA_BYTES: "64000000000" }),
        );
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    };

    test("check:gpu finds wrong vectors in each mode, in bfloat16 too", async () => {
      const out = join(work, "check-card.json");
      const modes = ["--mode", "cuda-fp16/block32,cuda-bf16/as-is"];
      const subjects = ["demo", "demo, hard texts", "layout ct-asym"];
      const args = [...modes, ...subjects.flatMap((name) => ["--only", name]), "--out", out];
      const { code, stderr } = await onFakeCard("check", args);
      expect(code).toBe(1);
      for (const mode of ["cuda-fp16 block32", "cuda-bf16 as-is"])
        for (const subject of ["demo", "demo, hard texts"])
          expect(stderr).toMatch(
            new RegExp(`^${mode}, ${subject}: the worst is [\\d.]+ off, [\\d.e-]+ is allowed$`, "m"),
          );
      expect(jsonIn(out)).toMatchObject({ rehearsal: false, done: true });
    });

    test("bench:gpu measures the modes asked for, what is served first, first", async () => {
      const out = join(work, "bench-card.jsonl");
      const args = [
        "--shape",
        "tiny",
        "--mode",
        "cuda-fp16/as-is,cuda-fp16/block32",
        "--only",
        "1x16",
        "--rounds",
        "1",
      ];
      const { code } = await onFakeCard("main", [...args, "--out", out]);
      expect(code).toBe(0);
      const shapes = linesIn(out).filter(({ step }) => step === "shape");
      expect(shapes).toMatchObject([
        { mode: "cuda-fp16 block32", shape: "1x16", tokens: 16 },
        { mode: "cuda-fp16 as-is", shape: "1x16", tokens: 16 },
      ]);
    });

    test("gpu:bundle makes a folder that needs no node_modules but its own", async () => {
      const bundle = join(work, "bundle");
      const { code, stdout } = await end(start("bundle", ["--unpacked", bundle, "--without-node", "--arch", "90"]));
      expect(stdout).toMatch(/[1-9]\d* MB of kernels for architecture 90/);
      expect(code).toBe(0);
      const results = join(work, "results");
      const run = spawn("bash", [join(bundle, "run.sh"), results, "check", "--rehearse", "--tokens-max", "64"], {
        cwd: work,
        env: {
          ...process.env,
          PATH: `${join(process.execPath, "..")}:${process.env["PATH"]}`,
          PYTHON: "/nowhere/python",
        },
        stdio: ["ignore", "pipe", "pipe"],
      });
      expect(await end(run)).toMatchObject({ code: 0, stderr: expect.stringMatching(/a rehearsal/) });
      expect(jsonIn(join(results, "check-gpu.json"))).toMatchObject({ done: true, faults: [] });
    });
  },
);
