// The bench's result as a Markdown table: medians in tokens per second, ratios of ours to each peer, what is required.

import { cpus } from "node:os";

import { processorClass } from "../../../gpu-backend/choice/processor-class.ts";
import type { Clock, System } from "./systems.ts";

/** System → mix → milliseconds of each run. */
export type Times = Map<string, Map<string, number[]>>;

export interface Report {
  readonly times: Times;
  /** System → 1 - cos to torch in float32, ascending; only of systems with the same weights. */
  readonly errors: ReadonlyMap<string, readonly number[]>;
  readonly mixes: Readonly<Record<string, readonly number[]>>;
  readonly probe: string;
  readonly systems: readonly System[];
  /** Systems that were left out of the long mixes. */
  readonly slow: ReadonlySet<string>;
  readonly threads: string;
  readonly layers: string;
  readonly loadBefore: string;
  readonly clock: Clock;
}

const OURS = "ours, packed";
const PADDED = "ours, padded";
/** Load over the last minute above which a run says little. */
const BUSY_LOAD = 0.7;
const PROBE_TOKENS = 4 * 128;
/** Least ratio of ours to the peer: llama.cpp, torch in bfloat16. A long text has its own. */
const REQUIRED = { llama: 2, llamaLong: 1.7, torch: 1, torchLong: 0.95, padded: 1.4 };

export function printReport(report: Report): void {
  const { times, mixes, systems } = report;
  const names = systems.map(({ name }) => name).filter((name) => name !== PADDED);
  const out = (line: string): void => void process.stdout.write(`${line}\n`);
  out(`${machine()}, ${report.threads} threads, ${report.layers} layers, load ${report.loadBefore} before the run.\n`);
  out(
    `| tokens/s${report.clock === "wall" ? "" : " of processor time"} | ${names.join(" | ")} | ours to llama.cpp | ours to torch bfloat16 | runs |`,
  );
  out(`| --- |${" --- |".repeat(names.length + 3)}`);
  for (const [mix, lengths] of Object.entries(mixes)) {
    const tokens = lengths.reduce((sum, length) => sum + length, 0);
    const long = lengths.length === 1 && tokens >= 512;
    const rates = new Map(names.map((name) => [name, rateOf(report, name, mix, tokens)]));
    const cells = names.map((name) => shown(report, name, mix, rates.get(name)));
    const toLlama = ratio(rates, "llama.cpp", long ? REQUIRED.llamaLong : REQUIRED.llama);
    const toTorch = ratio(rates, "torch bfloat16", long ? REQUIRED.torchLong : REQUIRED.torch);
    out(`| ${mix} | ${cells.join(" | ")} | ${toLlama} | ${toTorch} | ${times.get(OURS)?.get(mix)?.length ?? 0} |`);
  }
  const error = (name: string): string => {
    const all = report.errors.get(name);
    return all === undefined ? "" : `${(median(all) ?? 0).toExponential(1)} / ${(all.at(-1) ?? 0).toExponential(1)}`;
  };
  out(`| 1 - cos to torch float32, median / max | ${names.map(error).join(" | ")} | | | |`);
  const shownSystems = systems.filter(({ name }) => name !== PADDED);
  out(`| load, s | ${shownSystems.map(({ loadMs }) => (loadMs / 1000).toFixed(1)).join(" | ")} | | | |`);
  out(`| peak memory, MB | ${shownSystems.map((system) => system.peakMb()).join(" | ")} | | | |`);
  printPadded(report, out);
  if (report.clock === "wall" && Number.parseFloat(report.loadBefore) > BUSY_LOAD)
    out(
      "\nThe machine was busy: programs that spin while they wait suffer most, so these ratios are not to be quoted.",
    );
  out(`\n(p): not run on this mix, being too slow; the figure is of one run of ${report.probe} tokens.`);
  out(systems.map(({ name, detail }) => `${name}: ${detail}`).join(". ") + ".");
}

function printPadded({ times, mixes }: Report, out: (line: string) => void): void {
  const packed = median(times.get(OURS)?.get("mix"));
  const padded = median(times.get(PADDED)?.get("mix"));
  if (packed === undefined || padded === undefined) return;
  const tokens = (mixes["mix"] ?? []).reduce((sum, length) => sum + length, 0);
  const rate = (milliseconds: number): string => ((tokens * 1000) / milliseconds).toFixed(0);
  const gain = verdict(padded / packed, REQUIRED.padded);
  out(
    `\nPacked against padded (sorted, batches of 16) on the mix: ${rate(packed)} against ${rate(padded)} tokens/s, ${gain}.`,
  );
}

function rateOf(report: Report, name: string, mix: string, tokens: number): number | undefined {
  const own = median(report.times.get(name)?.get(mix));
  if (own !== undefined) return (tokens * 1000) / own;
  const probe = report.slow.has(name) ? median(report.times.get(name)?.get(report.probe)) : undefined;
  return probe === undefined ? undefined : (PROBE_TOKENS * 1000) / probe;
}

function shown({ times }: Report, name: string, mix: string, rate: number | undefined): string {
  if (rate === undefined) return "";
  const runs = times.get(name)?.get(mix);
  if (runs === undefined) return `${rate.toFixed(0)} (p)`;
  return mix === "1x16" ? `${rate.toFixed(0)} (${(median(runs) ?? 0).toFixed(0)} ms)` : rate.toFixed(0);
}

function ratio(rates: ReadonlyMap<string, number | undefined>, peer: string, required: number): string {
  const [ours, theirs] = [rates.get(OURS), rates.get(peer)];
  return ours === undefined || theirs === undefined ? "" : verdict(ours / theirs, required);
}

function verdict(value: number, required: number): string {
  return `**${value.toFixed(2)}** (required ${required}: ${value >= required ? "met" : "not met"})`;
}

function median(values: readonly number[] | undefined): number | undefined {
  return values?.toSorted((left, right) => left - right)[values.length >> 1];
}

/** The processor's name and its class. */
function machine(): string {
  return `${cpus()[0]?.model ?? "unknown processor"} (${processorClass()})`;
}
