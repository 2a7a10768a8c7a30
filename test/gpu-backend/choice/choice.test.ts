import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, describe, expect, it, vi } from "vitest";

import { readConfig } from "../../../gpu-backend/checkpoint/read-config.ts";
import { choiceFile, keptOrTried, type LinearsChoice } from "../../../gpu-backend/choice/choice.ts";
import { compileChosen, whyNotIntegers } from "../../../gpu-backend/choice/compile-chosen.ts";
import { processorClass } from "../../../gpu-backend/choice/processor-class.ts";
import { runTrial } from "../../../gpu-backend/choice/run-trial.ts";
import { integerProductsAreExact } from "../../../gpu-backend/engine/integer-products.ts";
import { SHAPES } from "../../bench/gpu/random-checkpoint.ts";
import { copyCheckpoint } from "../copy-checkpoint.ts";
import { DEMO_MODEL_DIR } from "../engine/demo-reference.ts";

const scratch = mkdtempSync(join(tmpdir(), "choice-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const isExact = await integerProductsAreExact(1);
const demo = readConfig(DEMO_MODEL_DIR);
const GB = 1e9;

/** Qwen3's published sizes in the backend's words. */
function configOf(name: keyof typeof SHAPES) {
  const { layers, hidden, heads, kvHeads, headDim, mlp } = SHAPES[name];
  return {
    ...demo,
    layers,
    hiddenSize: hidden,
    intermediateSize: mlp,
    queryHeads: heads,
    keyValueHeads: kvHeads,
    headDim,
  };
}

describe("the integer forms are tried", () => {
  it.each([
    ["0.6B", 16, undefined],
    ["4B", 16, /^the integer forms take 10\.9 GB of 16\.0 GB of memory, more than half$/],
    ["4B", 32, undefined],
    ["8B", 32, /take 20\.8 GB of 32\.0 GB/],
  ] as const)("for the %s on %i GB only where there is room", (name, gb, why) => {
    const refusal = whyNotIntegers(configOf(name), gb * GB);
    if (why === undefined) expect(refusal).toBeUndefined();
    else expect(refusal).toMatch(why);
  });

  it("not for a model that is fast anyway, which starts without a trial", async () => {
    const { model, choice } = await compileChosen(DEMO_MODEL_DIR, { target: "cpu", precision: "exact", threads: 1 });
    expect([model.linears, choice?.linears]).toEqual(["float32", "float32"]);
    expect(choice?.why).toMatch(/of this size/);
    expect(choice?.benchmark).toBeUndefined();
  });
});

it("a processor's class is what its flags say", () => {
  const flags = "flags\t\t: fpu avx2 avx512f avx512_vnni hypervisor\nbugs\t\t: x\n";
  expect(processorClass(`processor\t: 0\n${flags}`)).toBe(`${process.arch}: avx2, avx512f, avx512_vnni`);
  expect(processorClass("flags\t\t: fpu avx2\n")).toBe(`${process.arch}: avx2`);
  expect(processorClass("")).toMatch(new RegExp(`^${process.arch}: .+`));
});

describe("a choice is kept", () => {
  const choice: LinearsChoice = { linears: "int8-pairs", processor: "x64: avx2", why: "it is faster" };
  const trialOf = (result: LinearsChoice) => vi.fn(() => Promise.resolve(result));

  it("and found again under what it depends on; a damaged one is none", async () => {
    const [file, other] = [choiceFile(["a", "1"]), choiceFile(["a", "2"])];
    const folders = [join(scratch, "nowhere"), scratch];
    const trial = trialOf(choice);
    expect(await keptOrTried(folders, file, trial)).toEqual(choice);
    expect(await keptOrTried(folders, file, trial)).toEqual(choice);
    expect(trial).toHaveBeenCalledTimes(1);
    await keptOrTried(folders, other, trial);
    expect(trial).toHaveBeenCalledTimes(2);
    writeFileSync(join(scratch, file), "{");
    await keptOrTried(folders, file, trial);
    expect(trial).toHaveBeenCalledTimes(3);
  });

  it("a day long when its trial failed, so that no start of many waits for the next failure", async () => {
    const [file, hour] = [choiceFile(["failed"]), 3_600_000];
    const trial = trialOf({ ...choice, linears: "float32", why: "the trial failed", failedAt: 0 });
    for (const now of [0, hour, 23 * hour]) await keptOrTried([scratch], file, trial, now);
    expect(trial).toHaveBeenCalledTimes(1);
    await keptOrTried([scratch], file, trial, 25 * hour);
    expect(trial).toHaveBeenCalledTimes(2);
  });
});

describe("a form that is asked for", () => {
  const options = { target: "cpu", precision: "exact", threads: 1 } as const;

  it("is float32 without a trial", async () => {
    const { model, choice } = await compileChosen(DEMO_MODEL_DIR, { ...options, linears: "float32" });
    expect(model.linears).toBe("float32");
    expect(choice).toMatchObject({ linears: "float32", why: "it was asked for with --linears" });
  });

  it.runIf(isExact)("is probed, and used whatever a benchmark would say", async () => {
    const linears = "int8-pairs, down_proj float32";
    const { model, choice } = await compileChosen(copyCheckpoint(DEMO_MODEL_DIR, scratch), { ...options, linears });
    expect([model.linears, choice?.linears]).toEqual([linears, linears]);
    expect(choice?.benchmark).toBeUndefined();
    expect(choice?.probes).toMatchObject([{ linears, max: expect.closeTo(0, 5) }]);
  });

  it.runIf(isExact)("ends the start with the reason where it cannot be shown to be right", async () => {
    const dir = copyCheckpoint(DEMO_MODEL_DIR, scratch);
    rmSync(join(dir, "tokenizer.json"));
    await expect(compileChosen(dir, { ...options, linears: "int8-pairs" })).rejects.toThrow(
      /^--linears "int8-pairs" cannot serve here: the trial of other forms failed: .*tokenizer\.json.*; --linears auto or float32 can$/,
    );
  });
});

describe("a trial in its own process", () => {
  const processor = processorClass();

  it("says what it measured", async () => {
    const checkpointDir = copyCheckpoint(DEMO_MODEL_DIR, scratch);
    const steps: string[] = [];
    const choice = await runTrial({ checkpointDir, threads: 1, processor }, (_, what) => steps.push(what));
    expect(choice).toMatchObject({ processor, benchmark: [{ rows: 16 }, { rows: 128 }] });
    expect(steps).toContain("layer 1 of 4");
  });

  it("that cannot be made is a sentence", async () => {
    const checkpointDir = join(scratch, "nothing here");
    expect(await runTrial({ checkpointDir, threads: 1, processor }, () => undefined)).toMatch(
      /^the trial of other forms failed: .*nothing here: is not a folder/,
    );
  });
});
