// What each step of a plan does to the world.

import { must } from "../../shared/assert.ts";
import * as calls from "./calls.ts";
import { newIsolate } from "./isolate.ts";
import * as operator from "./operator.ts";
import type { Step } from "./plan.ts";
import { take } from "./world.ts";
import type { World } from "./world.ts";

/** An object is evicted after this long without a message. */
const IDLE_MS = 10_000;

const STEPS: Readonly<Record<Step["kind"], (world: World, step: Step) => void>> = {
  call: calls.startCall,
  settle: (world, step) => calls.endWork(world, step, true),
  fail: (world, step) => calls.endWork(world, step, false),
  send,
  deliver: (world, { a, b }) => world.deliver(a, 1 + (b % 3)),
  answer: (world, { a }) => calls.answer(world, a),
  drop: (world, { a, b }) => void (b % 2 === 0 ? take(world.network, a) : take(world.replies, a)),
  double: ({ network }, { a }) => {
    const letter = network[a % Math.max(1, network.length)];
    if (letter !== undefined) network.push(letter);
  },
  pass,
  crash_object: (world) => world.crashObject(),
  stop_mid_turn: ({ storage }, { a }) => {
    storage.stopAfterWrites = a % 3;
  },
  crash_isolate: crashIsolate,
  grant: operator.grant,
  take_back: operator.takeBack,
  status: (world, { a }) => operator.setStatus(world, a % 3 === 0),
  key: operator.changeKey,
  limits: operator.changeLimits,
  strict: calls.strictCall,
  finish: calls.finishStrict,
  fold: (world, { a }) => (a % 2 === 0 ? world.fold() : world.seal()),
  batch: (world, step) => world.batches.step(world, step),
};

/** Applies one step; a step that does not apply now has no effect. */
export function applyStep(world: World, step: Step): void {
  STEPS[step.kind](world, step);
}

function send(world: World, { a, b, c }: Step): void {
  const isolate = world.pickIsolate(a);
  if (isolate === undefined) return;
  const leases = [...isolate.leases.values(), ...isolate.strict.map(({ lease }) => lease)];
  const lease = leases[b % Math.max(1, leases.length)];
  if (lease !== undefined) world.sendFrom(isolate, lease, c % 4 === 0);
}

function pass(world: World, { a, b }: Step): void {
  const kinds = [500, 500, 5000, 5000, 20_000, 40_000, 200_000, 1_500_000, 4_000_000, 60 * 86_400_000];
  const limit = must(kinds[a % 100 === 0 ? 9 : a % 9], "span");
  const spanMs = b % limit;
  world.nowMs += spanMs;
  if (spanMs >= IDLE_MS) world.crashObject();
}

function crashIsolate(world: World, { a }: Step): void {
  const isolate = world.pickIsolate(a);
  if (isolate === undefined) return;
  isolate.alive = false;
  world.isolates.push(newIsolate(a));
}
