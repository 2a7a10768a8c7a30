// npm run check:gpu -- [--out FILE] [--model DIR] [--mode cuda-fp16/block32,…] [--cuda-device N] [--tokens-max 32768] [--rehearse]
// Vectors before speed: in each mode the demo's reference vectors, every layout, texts that are known to be hard, 1 to 32,768 tokens, each
// in batches and alone. Prints a JSON line a checkpoint as it is done, and the whole as one JSON into FILE (check-gpu.json).
// --rehearse: the CPU provider in the card's place, which proves this script alone; the JSON says so.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { cardInUse, readCards } from "../../../gpu-backend/cuda/cards.ts";
import { ONNXRUNTIME_VERSION } from "../../../gpu-backend/cuda/wheels.ts";
import { checkMode } from "./check-mode.ts";
import { makeSubjects } from "./check-subjects.ts";
import { type Mode, modesOf, nameOf, requireCuda, runMode } from "./modes.ts";

/** 1 - cos to float32 that float16 may have: the median of a checkpoint's texts, and any of them. */
const FLOAT16_MAX = { median: 2e-5, max: 2e-4 };

/** A card takes 32,768 tokens; the CPU would take minutes to prove no more. */
const REHEARSAL_TOKENS_MAX = 1_024;

const NO_FAST_KERNEL = "No valid fpA_intB MatMulNBits tactic";

const { values } = parseArgs({
  options: {
    out: { type: "string", default: "check-gpu.json" },
    model: { type: "string" },
    mode: { type: "string" },
    "cuda-device": { type: "string" },
    rehearse: { type: "boolean", default: false },
    "tokens-max": { type: "string" },
    /** Set by this program itself: the subjects' file, and the one mode. */
    subjects: { type: "string" },
  },
});

if (values.subjects === undefined) process.exitCode = await main();
else {
  const [mode] = modesOf(values.rehearse, values.mode);
  if (mode === undefined) throw new Error("one mode is needed");
  await checkMode(mode, JSON.parse(readFileSync(values.subjects, "utf8")));
}

async function main(): Promise<number> {
  const { rehearse, out } = values;
  const modes = modesOf(rehearse, values.mode);
  if (!rehearse) requireCuda();
  const device = values["cuda-device"] === undefined ? undefined : Number(values["cuda-device"]);
  const work = mkdtempSync(join(tmpdir(), "check-gpu-"));
  const results: unknown[] = [];
  const faults: string[] = [];
  const write = (done: boolean): void =>
    writeFileSync(
      out,
      `${JSON.stringify({ check: "vectors", rehearsal: rehearse, done, date: new Date().toISOString(), card: rehearse ? null : (cardInUse(readCards(), device) ?? null), onnxruntime: ONNXRUNTIME_VERSION, limits: FLOAT16_MAX, faults, results }, null, 1)}\n`,
    );
  try {
    process.stderr.write("computing the references on the CPU …\n");
    const file = join(work, "subjects.json");
    const tokensMax = Number(values["tokens-max"] ?? (rehearse ? REHEARSAL_TOKENS_MAX : 32_768));
    writeFileSync(file, JSON.stringify(await makeSubjects({ work, own: values.model, tokensMax })));
    for (const mode of modes) {
      const args = ["--subjects", file, "--mode", nameOf(mode), ...(rehearse ? ["--rehearse"] : [])];
      const { lines, failed } = await runMode(mode, { args, card: device, out: undefined });
      results.push(...lines);
      faults.push(
        ...lines.flatMap((line) => faultsOf(mode, line)),
        ...(failed === undefined ? [] : [`${nameOf(mode)} ${failed}`]),
      );
      write(false);
    }
    write(true);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  const said = rehearse ? "a rehearsal on the CPU provider: it says nothing of a card" : "all modes are right";
  process.stderr.write(faults.length === 0 ? `${said}; ${out}\n` : `${faults.join("\n")}\n${out}\n`);
  return faults.length === 0 ? 0 : 1;
}

/** What a line says that may not be. bfloat16 has no limit: it is the way out, not the target. */
function faultsOf(mode: Mode, line: Record<string, unknown>): readonly string[] {
  const where = `${nameOf(mode)}, ${String(line["subject"])}`;
  if (typeof line["error"] === "string") return [`${where}: ${line["error"]}`];
  const [median, max, notFinite] = ["median", "max", "notFinite"].map((key) => Number(line[key]));
  const found: string[] = [];
  // The fast 4-bit kernels want columns in multiples of 64, as every published model has and some layouts here have not.
  if (String(line["refusal"]).includes(NO_FAST_KERNEL)) return found;
  if (typeof line["refusal"] === "string") found.push(`${where}: refused: ${line["refusal"]}`);
  if (notFinite !== 0) found.push(`${where}: ${notFinite} vectors are not finite`);
  if (mode.target === "cuda-bf16") return found;
  if (!((median ?? 1) <= FLOAT16_MAX.median)) found.push(`${where}: the median is ${median} off`);
  if (!((max ?? 1) <= FLOAT16_MAX.max)) found.push(`${where}: the worst is ${max} off`);
  return found;
}
