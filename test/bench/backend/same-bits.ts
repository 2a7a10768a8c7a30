// A text's vector is the same bits whatever it is computed with: many comparisons over random batches, orders, thread counts
// and restarts (test/gpu-backend/engine/same-bits.ts). Ends with 1 when a single float16 value differs.
//   node --import tsx test/bench/backend/same-bits.ts [--comparisons 100000] [--checkpoint DIR] [--threads 2,1] [--turns 10] [--seed 1]
//     [--linears "int8-pairs"]

import { parseArgs } from "node:util";

import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { CPU_LINEARS } from "../../../gpu-backend/compiler/compiled-model.ts";
import { DEMO_MODEL_DIR } from "../../gpu-backend/engine/demo-reference.ts";
import { compareBits } from "../../gpu-backend/engine/same-bits.ts";
import { MIXES, textsOf, textsThatBeginAlike } from "../gpu/mixes.ts";

const { values } = parseArgs({
  options: {
    comparisons: { type: "string", default: "100000" },
    checkpoint: { type: "string", default: DEMO_MODEL_DIR },
    threads: { type: "string", default: "2,1" },
    turns: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
    linears: { type: "string", default: "float32" },
  },
});

/** Beside the mix: of a token and two, of a tile of 128 rows and around, and of what is computed in chunks. */
const LENGTHS = [1, 2, 3, 4, 127, 128, 129, 130, 257, 1_100, ...(MIXES["mix"] ?? [])];
/** Of texts whose rows are shared in a run: of a beginning that is as long, a token shorter and longer, and a tile longer. */
const ALIKE = [
  [16, 15, 17, 40],
  [100, 101, 128, 129, 230],
  [127, 128, 255, 256],
];

const linears = CPU_LINEARS.find((name) => name === values.linears);
if (linears === undefined) throw new Error(`--linears can be ${CPU_LINEARS.join("; ")}`);
const model = await compileCheckpoint(values.checkpoint, { target: "cpu", precision: "exact", linears });
const { vocabSize, hiddenSize } = model.config;
const texts = [...textsOf(LENGTHS, vocabSize), ...ALIKE.flatMap((alike) => textsThatBeginAlike(alike, vocabSize))];
const { comparisons, differences, lengths } = await compareBits(model, texts, {
  comparisons: Number(values.comparisons),
  threads: values.threads.split(",").map(Number),
  turns: Number(values.turns),
  seed: Number(values.seed),
  onTurn: (done, differing) => process.stderr.write(`${done} vectors compared, ${differing} values differ\n`),
});
process.stdout.write(
  `${comparisons} vectors of ${texts.length} texts: ${differences} of ${comparisons * hiddenSize} float16 values differ\n`,
);
if (differences > 0) process.stdout.write(`texts of ${[...lengths].join(", ")} tokens\n`);
process.exitCode = differences === 0 ? 0 : 1;
