// The forms of a CPU graph's linear layers beside each other: processor time of whole runs of the 0.6B shape (random weights) on
// one thread, the forms in turn. The first row is what the default once was (products with int8 activations, attention with its
// present outputs), which nothing serves any more: its graph is made here, out of ours.
//   node --import tsx test/bench/backend/forms.ts [--rounds 3] [--minutes 30] [--layers 28] [--only "float32,int8-pairs"]
// A batch is cut into runs of at most 1,024 tokens, so 8x128 stands for 32x128, and the first 16 texts of the mix for it.

import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";

import { processorClass } from "../../../gpu-backend/choice/processor-class.ts";
import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { type CompiledModel, CPU_LINEARS } from "../../../gpu-backend/compiler/compiled-model.ts";
import { WEIGHTS_FILE } from "../../../gpu-backend/compiler/compiled-folder.ts";
import { planFor } from "../../../gpu-backend/compiler/graph-plan.ts";
import { MIXES, textsOf } from "../gpu/mixes.ts";
import { compiledShape } from "./one-text.ts";
import { EngineInProcess } from "./run-as-engine.ts";

const ONCE = "int8 activations";
/** Runs of a mix in a round. */
const REPEATS: Readonly<Record<string, number>> = { "1x16": 5 };

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    minutes: { type: "string", default: "30" },
    layers: { type: "string", default: "28" },
    only: { type: "string" },
  },
});

const mixes: Readonly<Record<string, readonly number[]>> = {
  "1x16": MIXES["1x16"] ?? [],
  "8x128": (MIXES["32x128"] ?? []).slice(0, 8),
  "mix, 16 texts": (MIXES["mix"] ?? []).slice(0, 16),
  "1x2048": MIXES["1x2048"] ?? [],
};

const base = await compiledShape("0.6B", Number(values.layers));
const forms: { readonly name: string; readonly engine: EngineInProcess }[] = [];
for (const name of [ONCE, ...CPU_LINEARS.toReversed()]) {
  if (values.only !== undefined && !values.only.split(",").includes(name)) continue;
  const graphPath = name === ONCE ? await graphOfOnce(base) : await graphOf(base, name);
  forms.push({ name, engine: await EngineInProcess.open(graphPath, base.config, 1) });
}

const began = performance.now();
const times = new Map<string, number[]>();
for (let round = 0; round <= Number(values.rounds); round += 1) {
  for (const [mix, lengths] of Object.entries(mixes)) {
    const texts = textsOf(lengths, base.config.vocabSize);
    for (let repeat = 0; repeat < (REPEATS[mix] ?? 1); repeat += 1) {
      for (const form of round % 2 === 0 ? forms : forms.toReversed()) {
        const ms = await processorMs(() => form.engine.embed(texts));
        // The first round pays for allocations.
        if (round > 0) times.set(`${form.name} ${mix}`, [...(times.get(`${form.name} ${mix}`) ?? []), ms]);
      }
    }
  }
  process.stderr.write(`round ${round} of ${values.rounds}\n`);
  if (performance.now() - began > Number(values.minutes) * 60_000) break;
}
print();
process.exit(0);

async function graphOf(model: CompiledModel, linears: string): Promise<string> {
  const known = CPU_LINEARS.find((name) => name === linears);
  if (known === undefined) throw new Error(`--only has forms of ${[ONCE, ...CPU_LINEARS].join(", ")}`);
  return (await compileCheckpoint(model.checkpointDir, { target: "cpu", precision: "exact", linears: known }))
    .graphPath;
}

/** The graphs with present outputs, and accuracy_level 4 in place of 0 in each product. */
async function graphOfOnce({ checkpointDir }: CompiledModel): Promise<string> {
  const plan = { ...planFor("cpu", "as-is", "float32"), presents: true };
  const { graphPath } = await compileCheckpoint(checkpointDir, { target: "cpu", precision: "exact", plan });
  const from = dirname(graphPath);
  const to = `${checkpointDir}.once`;
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to);
  linkSync(join(from, WEIGHTS_FILE), join(to, WEIGHTS_FILE));
  const attribute = Buffer.concat([Buffer.from("accuracy_level"), Buffer.of(0x18, 0)]);
  for (const file of readdirSync(from).filter((name) => name.endsWith(".onnx"))) {
    const bytes = readFileSync(join(from, file));
    for (let at = bytes.indexOf(attribute); at >= 0; at = bytes.indexOf(attribute, at + 1))
      bytes[at + attribute.length - 1] = 4;
    writeFileSync(join(to, file), bytes);
  }
  return join(to, "graph.onnx");
}

async function processorMs(work: () => Promise<unknown>): Promise<number> {
  const start = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1_000;
}

function print(): void {
  const median = (of: readonly number[]): number => of.toSorted((a, b) => a - b)[of.length >> 1] ?? Number.NaN;
  const columns = Object.keys(mixes);
  const lines = [
    `Processor: ${processorClass()}; ms of processor time (times as fast as ${forms[0]?.name})`,
    `| | ${columns.join(" | ")} |`,
    `| --- | ${columns.map(() => "---").join(" | ")} |`,
    ...forms.map(({ name }) => {
      const cells = columns.map((mix) => {
        const [own, first] = [median(times.get(`${name} ${mix}`) ?? []), times.get(`${forms[0]?.name} ${mix}`) ?? []];
        return `${own.toFixed(0)} (${(median(first) / own).toFixed(2)})`;
      });
      return `| ${name} | ${cells.join(" | ")} |`;
    }),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}
