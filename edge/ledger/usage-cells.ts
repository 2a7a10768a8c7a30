// Usage as additive cells: one per (start, key, model, tier). Recent cells are in the hot row. When there are many,
// they are packed into a segment (one row), and alarms fold segments to hours, days and months (usage-history.ts).
// Their costs add up to what the books charged, to the nano-dollar.

import { must } from "../../shared/assert.ts";
import type { KeyId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { nanoUsd } from "../../shared/money.ts";
import { addHistogram } from "./histogram.ts";
import type { Histogram } from "./histogram.ts";
import type { Tier } from "../../shared/wire.ts";

export interface UsageCell {
  readonly startMs: number;
  readonly keyId: KeyId;
  readonly model: string;
  readonly tier: Tier;
  requests: number;
  tokens: number;
  cachedTokens: number;
  costNanoUsd: NanoUsd;
  savedNanoUsd: NanoUsd;
  errors4xx: number;
  errors5xx: number;
  latency: Histogram;
}

export type CellKey = Pick<UsageCell, "startMs" | "keyId" | "model" | "tier">;
type Figures = Omit<UsageCell, keyof CellKey>;

/** Adds the figures of `from` to those of `into`. */
export function addFigures(into: Figures, from: Readonly<Figures>): void {
  into.requests += from.requests;
  into.tokens += from.tokens;
  into.cachedTokens += from.cachedTokens;
  into.costNanoUsd = nanoUsd(into.costNanoUsd + from.costNanoUsd);
  into.savedNanoUsd = nanoUsd(into.savedNanoUsd + from.savedNanoUsd);
  into.errors4xx += from.errors4xx;
  into.errors5xx += from.errors5xx;
  addHistogram(into.latency, from.latency);
}

export class UsageCells {
  private readonly cells = new Map<string, UsageCell>();

  constructor(cells: Iterable<UsageCell> = []) {
    for (const cell of cells) this.add(cell, cell);
  }

  get size(): number {
    return this.cells.size;
  }

  values(): IterableIterator<UsageCell> {
    return this.cells.values();
  }

  /** Adds the figures of `from` to the cell at `key`. */
  add(key: CellKey, from: Readonly<Figures>): void {
    const id = `${key.startMs}|${key.keyId}|${key.tier}|${key.model}`;
    const cell = this.cells.get(id);
    if (cell === undefined) {
      const { startMs, keyId, model, tier } = key;
      this.cells.set(id, { ...from, startMs, keyId, model, tier, latency: { ...from.latency } });
      return;
    }
    addFigures(cell, from);
  }

  /** Removes all cells and returns them. */
  drain(): UsageCell[] {
    const cells = [...this.cells.values()];
    this.cells.clear();
    return cells;
  }
}

type EncodedCell = [
  minute: number,
  key: number,
  model: number,
  tier: 0 | 1,
  requests: number,
  tokens: number,
  cached: number,
  cost: number,
  saved: number,
  errors4xx: number,
  errors5xx: number,
  latency: number[],
];

/** Cells in a compact form for JSON: each name once, figures by position. */
export interface EncodedCells {
  readonly keys: readonly KeyId[];
  readonly models: readonly string[];
  readonly cells: readonly EncodedCell[];
}

const MS_PER_MINUTE = 60_000;

export function encodeCells(cells: Iterable<UsageCell>): EncodedCells {
  const keys = new Map<KeyId, number>();
  const models = new Map<string, number>();
  const encoded: EncodedCell[] = [];
  for (const cell of cells) {
    encoded.push([
      cell.startMs / MS_PER_MINUTE,
      position(keys, cell.keyId),
      position(models, cell.model),
      cell.tier === "batch" ? 1 : 0,
      cell.requests,
      cell.tokens,
      cell.cachedTokens,
      cell.costNanoUsd,
      cell.savedNanoUsd,
      cell.errors4xx,
      cell.errors5xx,
      Object.entries(cell.latency).flatMap(([bucket, count]) => [Number(bucket), count]),
    ]);
  }
  return { keys: [...keys.keys()], models: [...models.keys()], cells: encoded };
}

export function decodeCells(encoded: EncodedCells): UsageCell[] {
  return encoded.cells.map((cell) => {
    const [minute, key, model, tier, requests, tokens, cachedTokens, cost, saved, errors4xx, errors5xx, pairs] = cell;
    const latency: Histogram = {};
    for (let index = 0; index < pairs.length; index += 2) latency[pairs[index] ?? 0] = pairs[index + 1] ?? 0;
    return {
      startMs: minute * MS_PER_MINUTE,
      keyId: must(encoded.keys[key], "key of a usage cell"),
      model: must(encoded.models[model], "model of a usage cell"),
      tier: tier === 1 ? "batch" : "interactive",
      requests,
      tokens,
      cachedTokens,
      costNanoUsd: nanoUsd(cost),
      savedNanoUsd: nanoUsd(saved),
      errors4xx,
      errors5xx,
      latency,
    };
  });
}

function position<Name>(names: Map<Name, number>, name: Name): number {
  const known = names.get(name);
  if (known !== undefined) return known;
  names.set(name, names.size);
  return names.size - 1;
}
