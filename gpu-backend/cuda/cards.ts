// The NVIDIA cards of this machine, as the driver's own tool says.

import { spawnSync } from "node:child_process";

const MiB = 1024 * 1024;
const ANSWER_MS_MAX = 20_000;
const FIELDS = ["index", "name", "driver_version", "memory.total", "memory.free", "compute_cap"];

export interface Card {
  /** As nvidia-smi counts: by PCI bus. */
  readonly index: number;
  readonly name: string;
  /** Such as "580.65.06". */
  readonly driver: string;
  /** Undefined where the card does not say (parts of a divided one). */
  readonly memoryBytes: number | undefined;
  readonly freeBytes: number | undefined;
  /** Such as "9.0". */
  readonly computeCapability: string;
}

/** None where there is no driver. */
export function readCards(
  environment: NodeJS.ProcessEnv = process.env,
  run: typeof spawnSync = spawnSync,
): readonly Card[] {
  const { status, stdout } = run("nvidia-smi", [`--query-gpu=${FIELDS.join(",")}`, "--format=csv,noheader,nounits"], {
    encoding: "utf8",
    timeout: ANSWER_MS_MAX,
    env: environment,
  });
  return status === 0 ? parseCards(stdout) : [];
}

/** Lines of nvidia-smi's CSV without header and units. */
export function parseCards(csv: string): readonly Card[] {
  return csv
    .split("\n")
    .map((line) => line.split(",").map((field) => field.trim()))
    .filter((fields) => fields.length === FIELDS.length)
    .map(([index, name = "", driver = "", total, free, computeCapability = ""]) => ({
      index: Number(index),
      name,
      driver,
      memoryBytes: bytesOf(total),
      freeBytes: bytesOf(free),
      computeCapability,
    }));
}

/** The card that a process computes on: `wanted`, or the first that CUDA_VISIBLE_DEVICES lets it see. */
export function cardInUse(
  cards: readonly Card[],
  wanted: number | undefined,
  environment: NodeJS.ProcessEnv = process.env,
): Card | undefined {
  if (wanted !== undefined) return cards.find(({ index }) => index === wanted);
  const [first = ""] = (environment["CUDA_VISIBLE_DEVICES"] ?? "").split(",");
  return /^\d+$/.test(first) ? cards.find(({ index }) => index === Number(first)) : cards[0];
}

/** What figures measured on it are kept under. */
export function cardName(card: Card | undefined): string {
  return card === undefined ? "unknown" : `${card.name}, driver ${card.driver}`;
}

function bytesOf(mebibytes: string | undefined): number | undefined {
  const value = Number(mebibytes);
  return Number.isFinite(value) && value > 0 ? value * MiB : undefined;
}
