// What the operator and the account's owner do in a plan: grants, refunds, limits, keys.

import * as acts from "../../edge/ledger/acts.ts";
import * as keyActs from "../../edge/keys/key-acts.ts";
import { must } from "../../shared/assert.ts";
import { nanoUsd } from "../../shared/money.ts";
import type { NanoUsd } from "../../shared/money.ts";
import type { Ledger } from "../../edge/ledger/ledger.ts";
import { insist } from "./insist.ts";
import type { Step } from "./plan.ts";
import type { World } from "./world.ts";

export function setStatus(world: World, suspended: boolean): void {
  world.attempt((ledger) => acts.setStatus(ledger, suspended ? "suspended" : "active", "sim", world.nowMs));
}

export function grant(world: World, { a, b, c }: Step): void {
  const kind = must((["free", "paid", "promo"] as const)[a % 3], "kind");
  const expiry = b % 2 === 0 ? {} : { expiresAtMs: world.nowMs + (b % 300_000) };
  const input: acts.GrantInput = { id: `grant-${c % 6}`, kind, amountNanoUsd: nanoUsd(1 + (c % 9000)), ...expiry };
  world.attempt((ledger) => acts.grant(ledger, input, "sim", world.nowMs));
}

/** A refund or dispute from Stripe, taken or given back, or a refund that the operator orders. */
export function takeBack(world: World, { a, b, c }: Step): void {
  const kind = a % 2 === 0 ? "refund" : "dispute";
  const input: acts.RefundInput = { id: `back-${b % 4}`, kind, amountNanoUsd: nanoUsd(1 + (b % 6000)) };
  world.attempt((ledger) => {
    if (c % 4 === 0) acts.giveBack(ledger, { ...input, kind: "refund" }, "sim", world.nowMs);
    else if (c % 4 === 1) orderRefund(ledger, { ...input, kind: "refund" }, world.nowMs);
    else acts.takeBack(ledger, input, "sim", world.nowMs);
  });
}

/** Takes all of the amount or nothing, from paid unspent credit, and does not suspend the account. */
function orderRefund(ledger: Ledger, input: acts.RefundInput, nowMs: number): void {
  ledger.tick(nowMs);
  const before = { balance: ledger.books.balance, unspent: ledger.books.unspentPaid, status: ledger.status };
  const outcome = acts.takeBackUnspent(ledger, input, "sim", nowMs);
  const taken = outcome === "taken" ? input.amountNanoUsd : 0;
  insist(before.balance - ledger.books.balance === taken, `a refund that is ${JSON.stringify(outcome)} takes ${taken}`);
  insist(before.unspent - ledger.books.unspentPaid === taken, "a refund takes only what was paid for");
  insist(ledger.status === before.status, "a refund suspends nobody");
}

export function changeKey(world: World, { a, b }: Step): void {
  const index = b % world.plan.terms.caps.length;
  const key = must(world.keys[index], "key");
  switch (a % 3) {
    case 0: {
      world.attempt((ledger) => {
        keyActs.revokeKey(ledger, key.id, "sim", world.nowMs);
        const { caps, keyRequestsPerMinute } = world.plan.terms;
        const fresh = world.addKey(ledger, caps[index], keyRequestsPerMinute[index]);
        world.keys.pop();
        world.keys[index] = fresh;
      });
      world.ratesChanged = true; // a new key has buckets of its own
      break;
    }
    case 1: {
      const hash = world.newHash();
      const fresh = { prefix: "gr-…", secret: hash, overlapMs: b % 20_000 };
      world.attempt((ledger) => {
        keyActs.rotateKey(ledger, key.id, fresh, "sim", world.nowMs);
        world.keys[index] = { id: key.id, hash };
      });
      break;
    }
    default: {
      world.capsChanged = true;
      world.attempt((ledger) =>
        keyActs.patchKey(ledger, key.id, { capNanoUsd: nanoUsd(b % 4000) }, "sim", world.nowMs),
      );
    }
  }
}

export function changeLimits(world: World, { a, b }: Step): void {
  world.ratesChanged = true;
  world.monthChanged = true;
  const monthlyNanoUsd: NanoUsd | null = b % 3 === 0 ? null : nanoUsd(b % 5000);
  const patch: acts.LimitsPatch = { requestsPerMinute: 1 + (a % 600), monthlyNanoUsd };
  world.attempt((ledger) => acts.setLimits(ledger, patch, "sim", world.nowMs));
}
