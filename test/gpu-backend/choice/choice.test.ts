import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, describe, expect, it } from "vitest";

import { readConfig } from "../../../gpu-backend/checkpoint/read-config.ts";
import { choiceFile, type LinearsChoice, readChoice, writeChoice } from "../../../gpu-backend/choice/choice.ts";
import { compileChosen, whyNotIntegers } from "../../../gpu-backend/choice/compile-chosen.ts";
import { processorClass } from "../../../gpu-backend/choice/processor-class.ts";
import { runTrial } from "../../../gpu-backend/choice/run-trial.ts";
import { SHAPES } from "../../bench/gpu/random-checkpoint.ts";
import { copyCheckpoint } from "../copy-checkpoint.ts";
import { DEMO_MODEL_DIR } from "../engine/demo-reference.ts";

const scratch = mkdtempSync(join(tmpdir(), "choice-"));
afterAll(() => rmSync(scratch, { recursive: true }));

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

it("a choice is found again under what it depends on, and a damaged one is none", () => {
  const choice: LinearsChoice = { linears: "int8-pairs", processor: "x64: avx2", why: "it is faster" };
  const [file, other] = [choiceFile(["a", "1"]), choiceFile(["a", "2"])];
  const full = join(scratch, "nowhere");
  writeChoice([full, scratch], file, choice);
  expect(readChoice([full, scratch], file)).toEqual(choice);
  expect(readChoice([scratch], other)).toBeUndefined();
  writeFileSync(join(scratch, file), "{");
  expect(readChoice([scratch], file)).toBeUndefined();
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
