// Runs plans of service (service-plan.ts) and compares every answer with a simple reference: a balance, and two buckets
// over actual use. Calls that the reference covers are served; a refusal names the true reason, and the same call
// passes after its time; an idle account holds nothing.

import { must } from "../../shared/assert.ts";
import type { Refusal } from "../../edge/ledger/types.ts";
import { Violation, insist } from "./insist.ts";
import { NANO_USD_PER_TOKEN } from "./isolate.ts";
import { Random } from "./random.ts";
import type { ServicePlan } from "./service-plan.ts";
import { REAL_CORE, ServiceWorld } from "./service-world.ts";
import type { ServiceIsolate } from "./service-world.ts";
import type { MakeCore } from "./world.ts";

/** A lease's life and the object's margin. */
const LEASE_MS = 35_000;
/** The longest sync window and a round trip. */
const LAG_MS = 2500;
/** After this, a report has arrived. */
const REPORT_MS = 5000;
const MINUTE_MS = 60_000;
/** Calls with a bound above all credit: their exact count decides. */
const OVERBOUND_PERCENT = 10;
const OVERBOUND_TOKENS = 1e9;

/** One per-minute limit over actual use. */
class Level {
  private level = 0;
  private atMs = 0;
  readonly perMinute: number;

  constructor(perMinute: number) {
    this.perMinute = perMinute;
  }

  covers(units: number, nowMs: number): boolean {
    return this.at(nowMs) + units <= this.perMinute;
  }

  use(units: number, nowMs: number): void {
    this.level = this.at(nowMs) + units;
    this.atMs = nowMs;
  }

  private at(nowMs: number): number {
    return Math.max(0, this.level - ((nowMs - this.atMs) * this.perMinute) / MINUTE_MS);
  }
}

class ServiceRun {
  private readonly plan: ServicePlan;
  private readonly world: ServiceWorld;
  private readonly random: Random;
  private readonly requests: Level;
  private readonly tokens: Level;
  private readonly spentByKey: number[];
  private isolates: ServiceIsolate[];
  private replacedAtMs: number;
  private hasReplaced = false;
  /** Until then another isolate or key may hold what a call needs. */
  private othersUntilMs = 0;

  constructor(plan: ServicePlan, makeCore: MakeCore) {
    this.plan = plan;
    this.world = new ServiceWorld(plan, makeCore);
    this.random = new Random(plan.seed ^ 0x5eed);
    this.requests = new Level(plan.requestsPerMinute);
    this.tokens = new Level(plan.tokensPerMinute);
    this.spentByKey = Array.from({ length: plan.keys }, () => 0);
    this.isolates = this.newIsolates();
    this.replacedAtMs = this.world.time.nowMs();
  }

  async run(): Promise<void> {
    const { plan, world, random } = this;
    for (let call = 0; call < plan.calls; call += 1) {
      if (call % plan.burst === 0) await world.time.passTo(world.time.nowMs() + this.gapMs());
      this.replace();
      this.checkWake();
      const tokens = 1 + random.below(plan.boundMax);
      const bound = random.chance(OVERBOUND_PERCENT) ? OVERBOUND_TOKENS : tokens + random.below(plan.boundMax);
      await this.one(random.below(plan.isolates), random.below(plan.keys), bound, tokens);
    }
    await this.rest();
  }

  /** Makes one call, and repeats a refused one after the time that the refusal names. */
  private async one(isolate: number, key: number, bound: number, tokens: number): Promise<void> {
    const { world } = this;
    const first = await this.call(isolate, key, bound, tokens);
    const lastsMs = first?.kind === "credit_held" ? first.heldMs : first?.kind === "rate_limited" && first.retryAfterMs;
    if (first === undefined || typeof lastsMs !== "number") return;
    insist(lastsMs <= MINUTE_MS + LEASE_MS, `a refusal that lasts ${lastsMs} ms`);
    // A client waits whole seconds.
    await world.time.passTo(world.time.nowMs() + Math.max(1, Math.ceil(lastsMs / 1000)) * 1000);
    const second = await this.call(isolate, key, bound, tokens);
    insist(second?.kind !== first.kind, `refused again: ${JSON.stringify(first)}, then ${JSON.stringify(second)}`);
  }

  private async call(isolate: number, key: number, bound: number, tokens: number): Promise<Refusal | undefined> {
    const { world } = this;
    const result = await world.time.until(must(this.isolates[isolate], "isolate").call(key, bound, tokens));
    const nowMs = world.time.nowMs();
    if (result.kind === "refused") {
      this.checkRefusal(result.refusal, key, tokens, nowMs);
      return result.refusal;
    }
    this.requests.use(1, nowMs);
    this.tokens.use(tokens, nowMs);
    this.spentByKey[key] = (this.spentByKey[key] ?? 0) + tokens * NANO_USD_PER_TOKEN;
    this.othersUntilMs = nowMs + LEASE_MS + REPORT_MS;
    return undefined;
  }

  private checkRefusal(refusal: Refusal, key: number, tokens: number, nowMs: number): void {
    const { plan, world } = this;
    const cost = tokens * NANO_USD_PER_TOKEN;
    const balance = plan.grantNanoUsd - this.spentByKey.reduce((sum, spent) => sum + spent, 0);
    const left = key === 0 && plan.capNanoUsd !== undefined ? plan.capNanoUsd - (this.spentByKey[0] ?? 0) : balance;
    const isAlone = plan.isolates * plan.keys === 1 && !this.hasReplaced;
    const isOver = tokens > plan.tokensPerMinute;
    insist(isOver === (refusal.kind === "over_limit"), `a call of ${tokens} is refused as ${refusal.kind}`);
    if (isOver) return;
    const isPaid = cost <= Math.min(balance, left);
    // Use begins to drain when it is reported.
    const isWithinRate = this.requests.covers(1, nowMs - LAG_MS) && this.tokens.covers(tokens, nowMs - LAG_MS);
    if (isPaid && isWithinRate) {
      const mayHold = !isAlone && nowMs < this.othersUntilMs + MINUTE_MS;
      insist(mayHold, `a call that is covered is refused: ${JSON.stringify(refusal)}`);
    }
    if (refusal.kind === "insufficient_credit") {
      insist(!isPaid || this.hasReplaced, "out of credit, though it is there");
      if (isAlone) insist(refusal.neededNanoUsd === cost, "the refusal names what the call needs");
    }
    if (refusal.kind === "rate_limited" && isAlone) insist(!isWithinRate, "over the rate, though it is not");
    if (refusal.kind === "credit_held") insist(!isAlone, "held by others, where there are none");
    insist(refusal.kind !== "ledger_unavailable", "the ledger answers");
    insist(world.storage.readHot() !== undefined, "the account is there");
  }

  /** Checks that waking without a message changes no row, and that waking twice equals waking once. */
  private checkWake(): void {
    const { world } = this;
    const { storage } = world;
    const before = must(storage.readHot(), "the account's row");
    const writes = storage.writes;
    world.look(() => true);
    insist(storage.readHot() === before && storage.writes === writes, "a wake without a message writes");
    const once = world.rowAfterWake(before);
    insist(world.rowAfterWake(once) === once, "a second wake changes what the first one left");
  }

  private async rest(): Promise<void> {
    const { plan, world } = this;
    await world.time.passTo(world.time.nowMs() + REPORT_MS + LEASE_MS);
    world.look((ledger) => {
      insist(ledger.leases.size === 0, "one lease after the last call something is held");
      return true;
    });
    await world.time.passTo(world.time.nowMs() + MINUTE_MS);
    world.look((ledger) => {
      insist(ledger.requests.available(plan.requestsPerMinute) === plan.requestsPerMinute, "requests are still used");
      insist(ledger.tokens.available(plan.tokensPerMinute) === plan.tokensPerMinute, "tokens are still used");
      const { chargedNanoUsd, writtenOffNanoUsd } = ledger.books.totals;
      insist(chargedNanoUsd <= world.chargedNanoUsd, "more was charged than was served");
      insist(writtenOffNanoUsd === 0 || this.hasReplaced, "work was written off");
      if (!this.hasReplaced) insist(chargedNanoUsd === world.chargedNanoUsd, "what was served is charged");
      return true;
    });
    this.checkWake();
  }

  private replace(): void {
    const { replaceMs } = this.plan;
    const nowMs = this.world.time.nowMs();
    if (replaceMs === undefined || nowMs < this.replacedAtMs + replaceMs) return;
    for (const isolate of this.isolates) isolate.die();
    this.isolates = this.newIsolates();
    this.replacedAtMs = nowMs;
    this.hasReplaced = true;
  }

  private newIsolates(): ServiceIsolate[] {
    return Array.from({ length: this.plan.isolates }, () => this.world.newIsolate());
  }

  private gapMs(): number {
    const share = this.random.below(1000) / 1000;
    return Math.floor(this.plan.gapMsMax * share ** 2);
  }
}

/** Runs the plan; returns the first failure or undefined. */
export async function runService(plan: ServicePlan, makeCore: MakeCore = REAL_CORE): Promise<Error | undefined> {
  try {
    await new ServiceRun(plan, makeCore).run();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Violation(String(error));
  }
}
