// npm run bench:rerank -- --python PYTHON [--shape minilm|qwen3] [--layers N] [--pairs 100] [--rounds 3] [--threads 1] [--linears FORM]
// Pairs a second of processor time, this engine and PyTorch alternating: a query of 50 tokens and documents of 100, in the
// template of the kind. Random weights of ms-marco-MiniLM's shape, or of Qwen3-Reranker-0.6B's with fewer layers. Of a
// causal model also without what pairs share (`apart`); and how far the scores are from PyTorch's.

import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { RERANKERS } from "../../gpu-backend/reranker-checkpoint.ts";
import { System } from "../peers/systems.ts";

const { values } = parseArgs({
  options: {
    python: { type: "string", default: process.env["PEERS_PYTHON"] ?? "python3" },
    shape: { type: "string", default: "minilm" },
    layers: { type: "string" },
    pairs: { type: "string", default: "100" },
    rounds: { type: "string", default: "3" },
    threads: { type: "string", default: "1" },
    linears: { type: "string", default: "float32" },
  },
});
const HERE = import.meta.dirname;
const KINDS = {
  // [CLS], the query, [SEP]; and [SEP].
  minilm: { layers: "6", fixture: "bert", before: 52, after: 1 },
  // The prompt with its default instruction as Qwen's own tokenizer has it, about.
  qwen3: { layers: "2", fixture: "qwen3-reranker-untied", before: 110, after: 9 },
} as const;
const DOCUMENT = 100;
const SCORED = 8;
const kind = values.shape === "qwen3" ? KINDS.qwen3 : KINDS.minilm;
const layers = values.layers ?? kind.layers;
const dir = join(tmpdir(), `gigarouter-reranker-${values.shape}-${layers}`);
const script = join(HERE, "torch_rerank.py");
if (!existsSync(join(dir, "tokenizer.json"))) {
  const made = spawnSync(values.python, [script, "make", values.shape, layers, dir], { stdio: "inherit" });
  if (made.status !== 0) process.exit(1);
  for (const file of ["tokenizer.json", "tokenizer_config.json"])
    copyFileSync(join(RERANKERS, kind.fixture, file), join(dir, file));
}

const tsx = ["--import", "tsx", join(HERE, "ours.ts"), dir, values.threads, values.linears];
const started = [
  await System.start({ name: "ours", program: process.execPath, args: tsx }),
  await System.start({ name: "torch", program: values.python, args: [script, dir, values.threads] }),
];
const systems = started.filter((system) => system !== undefined);
process.on("exit", () => systems.forEach((system) => system.close()));

const lengths = [Number(values.pairs), kind.before, DOCUMENT, kind.after];
const ways = systems.flatMap((system) =>
  system.name === "ours" && values.shape === "qwen3"
    ? [
        { system, mix: "shared" },
        { system, mix: "apart" },
      ]
    : [{ system, mix: "" }],
);
const times = new Map<string, number[]>();
for (let round = 0; round <= Number(values.rounds); round += 1) {
  for (const { system, mix } of round % 2 === 0 ? ways : ways.toReversed()) {
    // The first round allocates.
    const task = { mix, lengths: round === 0 ? [SCORED, ...lengths.slice(1)] : lengths, warmUp: false };
    const ms = await system.run(task, "processor");
    const name = `${system.name} ${mix}`.trim();
    if (round > 0) times.set(name, [...(times.get(name) ?? []), ms]);
  }
}
for (const [name, all] of times) {
  const median = all.toSorted((a, b) => a - b)[all.length >> 1] ?? Number.NaN;
  const rate = ((Number(values.pairs) * 1_000) / median).toFixed(2);
  process.stdout.write(
    `${name}: ${rate} pairs/s of processor time (${all.map((ms) => Math.round(ms)).join(", ")} ms)\n`,
  );
}

const ids = Array.from({ length: SCORED }, (_, pair) =>
  Array.from({ length: 40 }, (_unused, at) => {
    const id = 5 + (((at < 20 ? 0 : pair) * 1_009 + at * 7_919) % 20_000);
    return values.shape === "minilm" && at >= 20 ? ~id : id;
  }),
);
const [mine = [], theirs = []] = await Promise.all(systems.map((system) => system.embed({ ids })));
const off = mine.map(([score = Number.NaN], index) => Math.abs(score - (theirs[index]?.[0] ?? Number.NaN)));
process.stdout.write(
  `scores of ${SCORED} pairs are within ${Math.max(...off).toExponential(1)} of PyTorch's float32\n`,
);
process.exit(0);
