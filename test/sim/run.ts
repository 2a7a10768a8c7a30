// Runs plans and shrinks failing ones. A failure prints as one line that `npm run sim` replays.

import { AccountCore } from "../../edge/ledger/account-core.ts";
import { DEFAULT_SETTINGS } from "../../edge/ledger/settings.ts";
import type { LedgerSettings } from "../../edge/ledger/settings.ts";
import { Invariants } from "./invariants.ts";
import { MemoryStorage } from "./memory-storage.ts";
import type { StoppableStorage } from "./memory-storage.ts";
import { planFor } from "./plan.ts";
import type { Plan } from "./plan.ts";
import { applyStep } from "./steps.ts";
import { World } from "./world.ts";
import type { MakeCore } from "./world.ts";

export interface Rig {
  readonly storage: () => StoppableStorage;
  readonly makeCore: MakeCore;
  readonly settings: LedgerSettings;
}

/** The real ledger over memory. */
export const REAL: Rig = {
  storage: () => new MemoryStorage(),
  makeCore: (storage, settings, newIncarnation) => new AccountCore(storage, settings, newIncarnation),
  // Small, so that a plan's few calls reach every limit.
  settings: {
    ...DEFAULT_SETTINGS,
    hotCellsMax: 4,
    hotPendingMax: 3,
  },
};

/** Runs the plan; returns the first failure or undefined. `atEnd` gets the world of a plan without a failure. */
export function runPlan(plan: Plan, rig: Rig = REAL, atEnd?: (world: World) => void): Error | undefined {
  try {
    const world = new World(plan, rig.storage(), rig.makeCore, rig.settings);
    const invariants = new Invariants(world);
    for (const step of plan.steps) {
      applyStep(world, step);
      invariants.afterStep();
    }
    invariants.atRest();
    atEnd?.(world);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

export interface CounterExample {
  readonly seed: number;
  /** Positions of the necessary steps. */
  readonly keep: readonly number[];
  readonly error: Error;
}

/** The plan of `seed`, or only the steps at `keep`. */
export function planOf(seed: number, keep?: readonly number[]): Plan {
  const plan = planFor(seed);
  return keep === undefined ? plan : { ...plan, steps: plan.steps.filter((_, index) => keep.includes(index)) };
}

/** Shrinks a failing plan to steps that are all necessary. Any failure counts, not only the first one. */
export function shrink(seed: number, error: Error, rig: Rig = REAL): CounterExample {
  let keep = planFor(seed).steps.map((_, index) => index);
  let last = error;
  for (let size = keep.length >> 1; size >= 1; size >>= 1) {
    for (let from = 0; from < keep.length;) {
      const fewer = [...keep.slice(0, from), ...keep.slice(from + size)];
      const failure = runPlan(planOf(seed, fewer), rig);
      if (failure === undefined) from += size;
      else {
        keep = fewer;
        last = failure;
      }
    }
  }
  return { seed, keep, error: last };
}

/** The command that replays a counter-example, and its error. */
export function describe({ seed, keep, error }: CounterExample): string {
  return `npm run sim -- --seed ${seed} --keep ${keep.join(",")}   # ${error.name}: ${error.message}`;
}
