// What an audit's calls have to have cost, each charge with its interval. Pure.

import type { Figures, Interval, MadeCall, ServedCall } from "./history.ts";
import { NO_FIGURES, isServed, usageName } from "./history.ts";
import { must } from "../../shared/assert.ts";

/** A charge, of one call or of all calls under one `Idempotency-Key`. */
export interface Charge {
  readonly name: string;
  readonly calls: readonly MadeCall[];
  readonly sentMs: number;
  /** When the first answer told the cost; undefined: none did. */
  readonly knownMs: number | undefined;
  readonly least: Figures;
  readonly most: Figures;
}

/** What the calls have to have cost. */
export function chargesOf(made: readonly MadeCall[]): readonly Charge[] {
  const groups = new Map<string, MadeCall[]>();
  for (const one of made) {
    const { idempotencyKey } = one.call;
    const name = idempotencyKey === undefined ? `call ${one.id}` : `key ${idempotencyKey}`;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [one]);
    else group.push(one);
  }
  return [...groups.values()].flatMap((calls) => chargeOf(calls) ?? []);
}

/** Undefined: none of them can have cost anything. */
function chargeOf(calls: readonly MadeCall[]): Charge | undefined {
  const { call } = must(calls[0], "a charge has calls");
  const sentMs = Math.min(...calls.map((one) => one.sentMs));
  const base = { name: usageName(call.model, call.tier), calls, sentMs };
  const answers = calls.filter(isServed);
  const answer = answers.find(({ outcome }) => !outcome.replayed) ?? answers[0];
  if (answer !== undefined) {
    const knownMs = Math.min(...answers.map((one) => one.endedMs));
    return { ...base, knownMs, ...intervalOf(answer) };
  }
  if (!calls.some(({ outcome }) => outcome.kind === "unknown")) return undefined;
  const most = { requests: call.job?.lines.length ?? 1, tokens: call.tokens ?? 0, costNanoUsd: call.boundNanoUsd };
  return { ...base, knownMs: undefined, least: NO_FIGURES, most };
}

function intervalOf({ call, outcome }: ServedCall): Interval {
  const { body, costNanoUsd, charged } = outcome;
  if (charged !== undefined) return charged;
  const tokens = body?.usage?.tokens ?? call.tokens ?? 0;
  const figures = { requests: 1, tokens, costNanoUsd: costNanoUsd ?? call.boundNanoUsd };
  return { least: figures, most: figures };
}

export function sum(figures: readonly Figures[]): Figures {
  return figures.reduce(
    (all, one) => ({
      requests: all.requests + one.requests,
      tokens: all.tokens + one.tokens,
      costNanoUsd: all.costNanoUsd + one.costNanoUsd,
    }),
    NO_FIGURES,
  );
}

export function minus(a: Figures, b: Figures): Figures {
  return { requests: a.requests - b.requests, tokens: a.tokens - b.tokens, costNanoUsd: a.costNanoUsd - b.costNanoUsd };
}
