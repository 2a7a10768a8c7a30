// npm run check:gpu -- [--out FILE] [--model DIR] [--mode cuda-fp16/block32,…] [--cuda-device N] [--tokens-max 32768] [--only SUBJECT …] [--rehearse]
// Vectors before speed: in each mode the demo's reference vectors, every layout, texts that are known to be hard, 1 to 32,768 tokens, each
// in batches and alone. Prints a JSON line a checkpoint as it is done, and keeps the whole as one JSON in FILE (check-gpu.json) from the first
// line on, so that a run that is cut still says something.
// --rehearse: the CPU provider in the card's place, which proves this script alone; the JSON says so.

import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { cardInUse, readCards } from "../../../gpu-backend/cuda/cards.ts";
import { ONNXRUNTIME_VERSION } from "../../../gpu-backend/cuda/wheels.ts";
import { checkMode } from "./check-mode.ts";
import { BFLOAT16_TIMES, FLOAT16_MAX, faultsOf } from "./check-faults.ts";
import { makeSubjects, TOKENS_MAX } from "./check-subjects.ts";
import { modesOf, nameOf, requireCuda, runMode } from "./modes.ts";
import { keptBfloat16, measureBfloat16, torchOn } from "./torch-bfloat16.ts";

/** The CPU would take minutes to prove no more. */
const REHEARSAL_TOKENS_MAX = 1_024;

const { values } = parseArgs({
  options: {
    out: { type: "string", default: "check-gpu.json" },
    model: { type: "string" },
    mode: { type: "string" },
    "cuda-device": { type: "string" },
    rehearse: { type: "boolean", default: false },
    "tokens-max": { type: "string" },
    /** A subject by its name; may be repeated. */
    only: { type: "string", multiple: true },
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
  let torchSays = `torch's figures in bfloat16, ${BFLOAT16_TIMES.median} times in the median and ${BFLOAT16_TIMES.max} times at worst`;
  const card = rehearse ? null : (cardInUse(readCards(), device) ?? null);
  const write = (done: boolean): void => {
    const limits = { float16: FLOAT16_MAX, bfloat16: torchSays };
    const head = { check: "vectors", rehearsal: rehearse, done, date: new Date().toISOString(), card };
    const whole = { ...head, onnxruntime: ONNXRUNTIME_VERSION, limits, faults, results };
    // At once: cut while it is written, the file would be no JSON.
    writeFileSync(`${out}.new`, `${JSON.stringify(whole, null, 1)}\n`);
    renameSync(`${out}.new`, out);
  };
  try {
    process.stderr.write("computing the references on the CPU …\n");
    const file = join(work, "subjects.json");
    const tokensMax = Number(values["tokens-max"] ?? (rehearse ? REHEARSAL_TOKENS_MAX : TOKENS_MAX));
    const subjects = await makeSubjects({ work, own: values.model, tokensMax, only: values.only });
    writeFileSync(file, JSON.stringify(subjects));
    const own = subjects.filter(({ dir }) => dir === values.model);
    const measured = own.length === 0 || rehearse ? [] : measureBfloat16(own, "cuda");
    if (typeof measured === "string") torchSays = `${torchSays}; none for ${values.model}: ${measured}`;
    const torch = [...keptBfloat16(), ...(typeof measured === "string" ? [] : measured)];
    for (const mode of modes) {
      const args = ["--subjects", file, "--mode", nameOf(mode), ...(rehearse ? ["--rehearse"] : [])];
      const onLine = (line: Record<string, unknown>): void => {
        results.push(line);
        faults.push(...faultsOf(mode, line, torchOn(torch, line["subject"])));
        write(false);
      };
      const failed = await runMode(mode, { args, card: device, onLine });
      if (failed !== undefined) faults.push(`${nameOf(mode)} ${failed}`);
    }
    write(true);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  const said = rehearse ? "a rehearsal on the CPU provider: it says nothing of a card" : "all modes are right";
  process.stderr.write(faults.length === 0 ? `${said}; ${out}\n` : `${faults.join("\n")}\n${out}\n`);
  return faults.length === 0 ? 0 : 1;
}
