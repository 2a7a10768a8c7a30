// A plan: a seed, the terms of an account, and the steps that happen to it. Steps are plain data that are valid in
// every state (world.ts), so that a failing plan can be shrunk step by step and printed on one line.

import { Random } from "./random.ts";

const STEP_KINDS = [
  "call",
  "settle",
  "fail",
  "send",
  "deliver",
  "answer",
  "drop",
  "double",
  "pass",
  "crash_object",
  "stop_mid_turn",
  "crash_isolate",
  "grant",
  "take_back",
  "status",
  "key",
  "limits",
  "strict",
  "finish",
  "fold",
  "batch",
] as const;
type StepKind = (typeof STEP_KINDS)[number];

export interface Step {
  readonly kind: StepKind;
  /** Random numbers for the step's choices: which isolate, which message, how much, how long. */
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

export interface Plan {
  readonly seed: number;
  readonly terms: Terms;
  readonly steps: readonly Step[];
}

interface Terms {
  readonly isolates: number;
  readonly firstGrantNanoUsd: number;
  readonly requestsPerMinute: number;
  readonly tokensPerMinute: number;
  readonly monthlyNanoUsd: number | undefined;
  /** Per key: its cap, and its own requests per minute. */
  readonly caps: readonly (number | undefined)[];
  readonly keyRequestsPerMinute: readonly (number | undefined)[];
}

/** The relative frequency of each step. */
const WEIGHTS: Readonly<Record<StepKind, number>> = {
  call: 24,
  settle: 14,
  fail: 4,
  send: 18,
  deliver: 20,
  answer: 20,
  drop: 4,
  double: 4,
  pass: 12,
  crash_object: 3,
  stop_mid_turn: 2,
  crash_isolate: 2,
  grant: 3,
  take_back: 1,
  status: 1,
  key: 2,
  limits: 1,
  strict: 6,
  finish: 8,
  fold: 2,
  batch: 8,
};

const TICKETS: readonly StepKind[] = STEP_KINDS.flatMap((kind) => Array.from({ length: WEIGHTS[kind] }, () => kind));

const STEPS_MIN = 30;
const STEPS_SPREAD = 70;

export function planFor(seed: number): Plan {
  const random = new Random(seed);
  const terms: Terms = {
    isolates: 1 + random.below(3),
    firstGrantNanoUsd: random.chance(80) ? random.below(8000) : random.below(60_000_000),
    requestsPerMinute: random.chance(60) ? 600 : 1 + random.below(random.chance(50) ? 8 : 40),
    tokensPerMinute: random.chance(70) ? 1_000_000 : 100 + random.below(2000),
    monthlyNanoUsd: random.chance(15) ? random.below(4000) : undefined,
    caps: [undefined, random.chance(40) ? random.below(3000) : undefined],
    keyRequestsPerMinute: [undefined, random.chance(25) ? 1 + random.below(20) : undefined],
  };
  const length = STEPS_MIN + random.below(STEPS_SPREAD);
  const steps = Array.from({ length }, () => ({
    kind: TICKETS[random.below(TICKETS.length)] ?? "pass",
    a: random.next(),
    b: random.next(),
    c: random.next(),
  }));
  return { seed, terms, steps };
}
