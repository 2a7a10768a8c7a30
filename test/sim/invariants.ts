// The invariants of a world: after every step, and at rest. Rules: docs/contract.md, Money.

import { must } from "../../shared/assert.ts";
import { monthStartMs } from "../../edge/ledger/periods.ts";
import type { Ledger } from "../../edge/ledger/ledger.ts";
import { hashOfText, rootOf } from "../../edge/ledger/merkle-tree.ts";
import { SEAL_AFTER_MS, leavesOf } from "../../edge/ledger/seals.ts";
import { listTransactions } from "../../edge/account/views.ts";
import { hourOf } from "../../edge/ledger/statement.ts";
import type { LedgerStorage, Seal } from "../../edge/ledger/storage.ts";
import type { StatementLine } from "../../edge/ledger/statement.ts";
import { answer, callForAll, endRunning } from "./calls.ts";
import { Violation, insist } from "./insist.ts";
import { setStatus } from "./operator.ts";
import { usageTotalNanoUsd } from "./usage-total.ts";
import type { World } from "./world.ts";

/** An independent leaky bucket over true time: no window may see more than the burst and the sold rate. */
class RateCheck {
  private level = 0;
  private atMs = 0;
  private readonly perMinute: number;

  constructor(perMinute: number) {
    this.perMinute = perMinute;
  }

  use(units: number, nowMs: number): boolean {
    this.level = Math.max(0, this.level - ((nowMs - this.atMs) * this.perMinute) / 60_000) + units;
    this.atMs = nowMs;
    return this.level <= this.perMinute + 1e-6;
  }
}

export class Invariants {
  private readonly world: World;
  private readonly requests: RateCheck;
  private readonly tokens: RateCheck;
  private readonly keyRequests: (RateCheck | undefined)[];
  private writtenOff = 0;
  private steps = 0;
  /** The entries that somebody was given. */
  private sealed: readonly string[] = [];

  constructor(world: World) {
    this.world = world;
    const { terms } = world.plan;
    this.requests = new RateCheck(terms.requestsPerMinute);
    this.tokens = new RateCheck(terms.tokensPerMinute);
    this.keyRequests = terms.keyRequestsPerMinute.map((rate) => (rate === undefined ? undefined : new RateCheck(rate)));
  }

  afterStep(): void {
    this.steps += 1;
    this.world.look((ledger) => {
      this.checkBooks(ledger);
      if (this.steps % 8 === 0) this.checkSums(ledger);
      return true;
    });
    this.checkRates();
    this.checkIdempotency();
  }

  private checkBooks(ledger: Ledger): void {
    const { world } = this;
    const { balance, totals } = ledger.books; // the getter asserts balance >= 0
    const { nanoUsd: held } = ledger.leases.total;
    insist(held <= balance, `held ${held} is above the balance ${balance}`);
    let heldByAll = 0;
    for (const id of ledger.leases.ids()) heldByAll += must(ledger.leases.get(id), "lease").held.nanoUsd;
    insist(heldByAll === held, "the leases add up to what is held");
    const settled = this.settledAtMost();
    const accounted = totals.chargedNanoUsd + totals.writtenOffNanoUsd;
    insist(
      accounted <= settled,
      `charged ${accounted}, though only ${settled} was settled: something was charged twice`,
    );
    if (totals.writtenOffNanoUsd > this.writtenOff) {
      insist(
        !world.allTimely || world.capsChanged,
        "a timely report was written off: more had been leased than there was",
      );
      this.writtenOff = totals.writtenOffNanoUsd;
    }
    world.allTimely = true;
    const month = world.plan.terms.monthlyNanoUsd;
    if (month !== undefined && !world.monthChanged && monthStartMs(world.nowMs) > 0) {
      insist(ledger.monthSpent(world.nowMs) <= month, "the month's spend is within its limit");
    }
    for (const [index, key] of world.keys.entries()) {
      const record = ledger.keys.get(key.id);
      const cap = world.plan.terms.caps[index];
      if (record === undefined || cap === undefined || world.capsChanged) continue;
      insist(ledger.keys.use(key.id).spentIn(record, world.nowMs) <= cap, "a key's spend is within its cap");
    }
  }

  private checkSums(ledger: Ledger): void {
    const { balance, totals } = ledger.books;
    insist(usageTotalNanoUsd(ledger) === totals.chargedNanoUsd, "usage adds up to the ledger");
    const last = ledger.statement.pendingLines().at(-1)?.balanceAfterNanoUsd ?? ledger.statement.state.posted;
    insist(last === balance, `the statement ends in ${last}, the balance is ${balance}`);
    this.checkSeals(ledger);
  }

  /** What somebody was given is there for good. */
  private checkSeals({ storage }: Ledger): void {
    const entries = sealsOf(storage).map(({ entry }) => entry);
    insist(
      this.sealed.every((entry, index) => entries[index] === entry),
      "a seal stays as it was made",
    );
    this.sealed = entries;
  }

  private checkRates(): void {
    const { world } = this;
    const { uses } = world;
    world.uses = [];
    if (world.ratesChanged) return;
    for (const { key, requests, tokens } of uses) {
      insist(this.requests.use(requests, world.nowMs), "requests stay within the sold rate");
      insist(this.tokens.use(tokens, world.nowMs), "tokens stay within the sold rate");
      const ofKey = this.keyRequests[key];
      if (ofKey !== undefined) insist(ofKey.use(requests, world.nowMs), "a key's requests stay within its rate");
    }
  }

  private checkIdempotency(): void {
    const wrong = this.world.wrongReplay ?? this.world.batches.wrong;
    if (wrong !== undefined) throw new Violation(wrong);
  }

  /** The most that may be charged: what isolates, alive or not, settled, and what strict calls may have cost. */
  private settledAtMost(): number {
    const { isolates, strictMaybeNanoUsd, batches } = this.world;
    const elsewhere = strictMaybeNanoUsd + batches.chargedNanoUsd;
    return isolates.reduce((sum, isolate) => sum + isolate.chargedNanoUsd, elsewhere);
  }

  /** Brings the world to rest, then checks that nothing is stranded, lost or refused. */
  atRest(): void {
    const { world } = this;
    world.storage.stopAfterWrites = undefined;
    this.settleDown();
    const atLeast = world.isolates
      .filter(({ alive }) => alive)
      .reduce(
        (sum, isolate) =>
          sum + isolate.chargedNanoUsd - isolate.all.reduce((lost, s) => lost + s.unreported.lostNanoUsd, 0),
        0,
      );
    world.look((ledger) => {
      const { chargedNanoUsd, writtenOffNanoUsd } = ledger.books.totals;
      const accounted = chargedNanoUsd + writtenOffNanoUsd - world.batches.chargedNanoUsd;
      insist(accounted >= atLeast, `a living isolate settled ${atLeast}, the books know of ${accounted}`);
      return true;
    });
    world.nowMs += world.settings.expiredCreditGraceMs + REST_MS;
    setStatus(world, false);
    world.fold();
    world.seal();
    this.afterStep();
    world.look((ledger) => {
      checkStatementSealed(ledger, world.nowMs);
      ledger.tick(world.nowMs);
      checkStatement(ledger, world.nowMs);
      insist(ledger.leases.total.nanoUsd === 0, "nothing is held when nobody holds a lease");
      insist(
        ledger.books.totals.receivableNanoUsd === 0 || ledger.books.balance === 0,
        "what is receivable is collected",
      );
      insist(ledger.leases.total.requests === 0, "no request is held when nobody holds a lease");
      this.checkBooks(ledger);
      this.checkSums(ledger);
      return true;
    });
    this.checkLastCall();
  }

  /** Ends every call and delivers every message and answer. */
  private settleDown(): void {
    const { world } = this;
    for (let round = 0; round < SETTLE_ROUNDS_MAX; round += 1) {
      for (const isolate of world.isolates) {
        for (const running of isolate.alive ? isolate.running.slice() : []) {
          endRunning(world, isolate, running, running.strict === undefined);
        }
      }
      let sent = false;
      world.nowMs += ROUND_MS;
      for (const isolate of world.isolates) {
        for (const lease of isolate.alive ? isolate.all : []) sent = world.sendFrom(isolate, lease, false) || sent;
      }
      while (world.network.length > 0) world.deliver(0, 1);
      while (world.replies.length > 0) answer(world, 0);
      this.afterStep();
      if (!sent && world.isolates.every(({ alive, running }) => !alive || running.length === 0)) return;
    }
    throw new Violation("the world does not come to rest");
  }

  /** No call that the credit covers is refused: checks one for all the credit that is left. */
  private checkLastCall(): void {
    const { world } = this;
    const left = world.look((ledger) => ledger.funds(world.nowMs));
    if (left.grantableNanoUsd === 0) return;
    insist(left.grantableNanoUsd === left.tightest.potentialNanoUsd, "all of the credit is free");
    const before = left.balanceNanoUsd;
    const charged = callForAll(world, left.grantableNanoUsd);
    if (charged === undefined) return; // its key has a cap
    const after = world.look((ledger) => ledger.books.balance);
    insist(charged && before - after === left.grantableNanoUsd, "a call for all that is left is admitted and charged");
  }
}

function sealsOf(storage: LedgerStorage): readonly Seal[] {
  return storage.readSeals({ before: Number.MAX_SAFE_INTEGER, limit: Number.MAX_SAFE_INTEGER }).toReversed();
}

/** Every line of an hour that is over is sealed: its root follows from its lines, its entry from the one before. */
function checkStatementSealed({ statement, storage }: Ledger, nowMs: number): void {
  let before: Seal | undefined;
  for (const seal of sealsOf(storage)) {
    const { root, previous, lines } = JSON.parse(seal.entry) as {
      root: string;
      previous: string | null;
      lines: number;
    };
    const leaves = leavesOf(storage, seal);
    insist(leaves.length === lines && rootOf(leaves) === root, "a sealed hour's root follows from its lines");
    insist(seal.first === (before?.last ?? 0) + 1, "no line stands between two seals");
    insist(previous === (before === undefined ? null : hashOfText(before.entry)), "seals are chained");
    before = seal;
  }
  const from = (before?.last ?? 0) + 1;
  const posted = storage.readStatementFrom(from, Number.MAX_SAFE_INTEGER).flatMap((page) => {
    const lines: StatementLine[] = JSON.parse(page.body);
    return lines.filter(({ position }) => position >= from);
  });
  const openFromMs = hourOf({ atMs: nowMs - SEAL_AFTER_MS });
  insist(
    [...posted, ...statement.pendingLines()].every(({ atMs }) => atMs >= openFromMs),
    "every line of an hour that is over is sealed",
  );
}

/** Reads page by page, newest first: each line's balance follows from the next older line, down to zero. */
function checkStatement(ledger: Ledger, nowMs: number): void {
  const lines: StatementLine[] = [];
  let before: number | undefined;
  do {
    const page = listTransactions(ledger, before, 3, nowMs);
    lines.push(...page.lines);
    before = page.before;
  } while (before !== undefined);
  let balance = 0;
  const hours = new Set<string>();
  for (const [index, line] of lines.toReversed().entries()) {
    insist(line.position === index + 1, "the statement's positions are without gap");
    const hour = `${line.kind}|${Math.floor(line.atMs / 3_600_000)}|${line.keyId}|${line.model}`;
    insist(line.keyId === undefined || !hours.has(hour), "charges are one line per hour, key and model");
    hours.add(hour);
    if (line.kind !== "write_off") balance += line.amountNanoUsd;
    insist(line.balanceAfterNanoUsd === balance, "each line's balance follows from the one before");
  }
  insist(balance === ledger.books.balance, "the statement ends in the balance");
}

const SETTLE_ROUNDS_MAX = 60;
/** Longer than any sync window, on the slowest clock. */
const ROUND_MS = 3000;
/** Long enough for a bucket of 600 requests to drain at one a minute, and for minutes to be folded. */
const REST_MS = 2 * 86_400_000;
