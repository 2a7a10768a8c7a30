// npm run bench:peers [-- --quick] [--minutes 8] [--threads 2] [--python /path/to/python] [--work DIR] [--layers N] [--checkpoint DIR]
//   [--clock wall|processor] [--accuracy]
// This engine, llama.cpp and PyTorch on the same shape (Qwen3 0.6B, random weights), the same lengths, the same number of
// threads: alternating in one run, medians, a Markdown table at the end. README.md says what each system is.
//
// It stops when the time is used up, after at least one round. `--quick`: shorter mixes, for a first look. `--layers`: a
// shallower model, to test the bench itself. `--checkpoint`: a real one, of any architecture, in place of the random one
// (llama.cpp has no file of it). PyTorch comes from `--python`; without it those columns are empty.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { readConfig } from "../../../gpu-backend/checkpoint/read-config.ts";
import { distance } from "../../gpu-backend/cosine.ts";
import { realTexts } from "../backend/real-texts.ts";
import { MIXES, textsOf } from "../gpu/mixes.ts";
import { SHAPES, writeRandomCheckpoint } from "../gpu/random-checkpoint.ts";
import { writeRandomGguf } from "./gguf.ts";
import { printReport, type Times } from "./report.ts";
import { type Clock, type Command, System } from "./systems.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    minutes: { type: "string", default: "8" },
    threads: { type: "string", default: "2" },
    layers: { type: "string", default: "28" },
    python: { type: "string", default: process.env["PEERS_PYTHON"] ?? "python3" },
    work: { type: "string", default: join(tmpdir(), "gigarouter-peers") },
    only: { type: "string" },
    checkpoint: { type: "string" },
    clock: { type: "string", default: "wall" },
    accuracy: { type: "boolean", default: false },
  },
});
const CLOCK: Clock = values.clock === "processor" ? "processor" : "wall";
const HERE = import.meta.dirname;
const ROOT = join(HERE, "../../..");
const CONTEXT_TOKENS = 40_960;
/** A system that is slower than ours by this factor on the probe is not kept waiting for: its probe stands for it. */
const HOPELESS = 3;
const PROBE = "4x128";
/** What the others' vectors are held against. */
const REFERENCE = "float32";
const ERROR_LENGTHS = Array.from({ length: 24 }, (_, index) => 2 + index * 5);
/** Below it, every model has its ordinary tokens. */
const ERROR_VOCABULARY = 100_000;
/** Texts of a mix on which the ways of batching it are tried. */
const WAYS_TEXTS = 8;
/** Runs of a round: the short one is cheap and noisy. */
const REPEATS: Readonly<Record<string, number>> = { "1x16": 5 };

const full: Readonly<Record<string, readonly number[]>> = {
  "1x16": MIXES["1x16"] ?? [],
  "32x128": MIXES["32x128"] ?? [],
  mix: MIXES["mix"] ?? [],
  "1x2048": MIXES["1x2048"] ?? [],
};
const quick: typeof full = {
  "1x16": MIXES["1x16"] ?? [],
  "8x128": (MIXES["32x128"] ?? []).slice(0, 8),
  mix: (MIXES["mix"] ?? []).slice(0, 16),
  "1x512": MIXES["1x512"] ?? [],
};
const contextTokens = values.checkpoint === undefined ? CONTEXT_TOKENS : readConfig(values.checkpoint).maxTokens;
/** Without texts that the model does not take. */
const mixes = Object.fromEntries(
  Object.entries(values.quick ? quick : full).filter(([, lengths]) => Math.max(...lengths) <= contextTokens),
);

const started = performance.now();
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const running: System[] = [];
process.on("exit", () => running.forEach((system) => system.close()));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => end(1));

const times: Times = new Map();
let errors: ReadonlyMap<string, readonly number[]> = new Map();
/** What the probe has shown to be hopeless. */
let slow: ReadonlySet<string> = new Set();
const loadBefore = readFileSync("/proc/loadavg", "utf8").split(" ").slice(0, 3).join(" ");
for (const command of prepare()) {
  if (values.only !== undefined && !values.only.split(",").some((part) => command.name.includes(part))) continue;
  say(`starting ${command.name}`);
  const system = await System.start(command);
  if (system === undefined) say(`${command.name} cannot be started here; its column stays empty`);
  else running.push(system);
}
if (!values.accuracy) slow = await warmUp();
errors = await measureErrors();
for (let round = 1; !values.accuracy; round += 1) {
  const roundStarted = performance.now();
  for (const [mix, lengths] of Object.entries(mixes)) {
    const order = round % 2 === 1 ? running : running.toReversed();
    for (let repeat = 0; repeat < (REPEATS[mix] ?? 1); repeat += 1)
      for (const system of order)
        if (takesPart(system, mix) && !isLate(system, mix)) await measure(system, mix, lengths);
  }
  const spent = performance.now() - started;
  if (spent + (performance.now() - roundStarted) > Number(values.minutes) * 60_000) break;
}
end(0);

/** Also when the run is cut short: what was measured so far is worth having. */
function end(code: number): never {
  const { threads, layers } = values;
  printReport({
    times,
    errors,
    mixes,
    probe: PROBE,
    systems: running,
    slow,
    threads,
    layers,
    loadBefore,
    clock: CLOCK,
  });
  process.exit(code);
}

/** Makes the files and the packages that are missing; gives how each system is started. */
function prepare(): readonly Command[] {
  const shape = { ...SHAPES["0.6B"], layers: Number(values.layers) };
  mkdirSync(values.work, { recursive: true });
  const random = join(values.work, `qwen3-0.6B-${values.layers}`);
  const checkpoint = values.checkpoint ?? random;
  if (!existsSync(join(checkpoint, "config.json"))) {
    say("writing the checkpoint");
    writeRandomCheckpoint(shape, `${checkpoint}.part`);
    renameSync(`${checkpoint}.part`, checkpoint);
  }
  const gguf = `${random}.gguf`;
  if (values.checkpoint === undefined && !existsSync(gguf)) {
    say("writing the GGUF");
    writeRandomGguf(`${gguf}.part`, shape, CONTEXT_TOKENS);
    renameSync(`${gguf}.part`, gguf);
  }
  if (values.checkpoint === undefined && !existsSync(join(HERE, "node_modules"))) {
    say("installing node-llama-cpp (its binaries come prebuilt)");
    spawnSync("npm", ["install", "--ignore-scripts", "--no-package-lock"], { cwd: HERE, stdio: ["ignore", 2, 2] });
  }
  const ours = (form: string): Command => ({
    name: `ours, ${form}`,
    program: process.execPath,
    args: ["--import", "tsx", join(HERE, "ours.ts"), checkpoint, values.threads, form],
    cwd: ROOT,
  });
  const torch = (type: string): Command => ({
    name: `torch ${type}`,
    program: values.python,
    args: [join(HERE, "torch_bench.py"), checkpoint, values.threads, type],
  });
  const llama = { program: process.execPath, args: [join(HERE, "llama.mjs"), gguf, values.threads] };
  return [
    ours("packed"),
    ...(values.checkpoint === undefined ? [{ name: "llama.cpp", ...llama }] : []),
    torch("bfloat16"),
    torch("float16"),
    torch(REFERENCE),
    ours("padded"),
  ];
}

/** 1 - cos of each system's vectors to those of torch in float32, over texts of the same weights; ascending. */
async function measureErrors(): Promise<ReadonlyMap<string, readonly number[]>> {
  const reference = running.find(({ name }) => name === `torch ${REFERENCE}`);
  if (reference === undefined) return new Map();
  const texts =
    values.checkpoint === undefined ? textsOf(ERROR_LENGTHS, ERROR_VOCABULARY) : await realTexts(values.checkpoint);
  const ids = texts.map((text) => [...text]);
  const expected = await reference.embed({ ids });
  const found = new Map<string, readonly number[]>();
  for (const system of running) {
    if (!system.embeds || system === reference || system.name === "ours, padded") continue;
    const vectors = await system.embed({ ids });
    const distances = vectors.map((vector, index) => distance(vector, expected[index] ?? []));
    found.set(
      system.name,
      distances.toSorted((left, right) => left - right),
    );
  }
  return found;
}

/** Padding is only worth a line where lengths differ; what is hopelessly slow shows its probe alone, and the short text. */
function takesPart({ name }: System, mix: string): boolean {
  if (name === "ours, padded") return mix === "mix";
  return !slow.has(name) || mix === "1x16";
}

/** When the time is used up, only what has no figure yet is still measured. */
function isLate({ name }: System, mix: string): boolean {
  return performance.now() - started > Number(values.minutes) * 60_000 && times.get(name)?.has(mix) === true;
}

/** One untimed and one timed probe each, and a first run of what is batched in several ways. Gives the hopeless ones. */
async function warmUp(): Promise<ReadonlySet<string>> {
  const probe = Array.from({ length: 4 }, () => 128);
  for (const system of running) {
    await system.run({ mix: "1x16", lengths: MIXES["1x16"] ?? [], warmUp: true }, CLOCK);
    await measure(system, PROBE, probe);
    if (system.name !== "llama.cpp") continue;
    for (const [mix, lengths] of Object.entries(mixes))
      if (lengths.length > 1) await system.run({ mix, lengths: lengths.slice(0, WAYS_TEXTS), warmUp: true }, CLOCK);
  }
  const [ours = Number.NaN] = times.get("ours, packed")?.get(PROBE) ?? [];
  return new Set(
    running.map(({ name }) => name).filter((name) => (times.get(name)?.get(PROBE)?.[0] ?? 0) > HOPELESS * ours),
  );
}

async function measure(system: System, mix: string, lengths: readonly number[]): Promise<void> {
  const milliseconds = await system.run({ mix, lengths, warmUp: false }, CLOCK);
  const own = times.get(system.name) ?? new Map<string, number[]>();
  times.set(system.name, own);
  own.set(mix, [...(own.get(mix) ?? []), milliseconds]);
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  say(
    `${mix.padEnd(7)} ${system.name.padEnd(15)} ${milliseconds.toFixed(0)} ms, ${rate(tokens, milliseconds)} tokens/s`,
  );
}

function rate(tokens: number, milliseconds: number): string {
  return ((tokens * 1000) / milliseconds).toFixed(0);
}
