// Judges each answer by itself: its price by its tokens, its tokens by the quote, what should have been refused, and the
// repeats of one `Idempotency-Key` by each other. Pure.

import type { Charge } from "./charges.ts";
import type { Evidence, Fault } from "./evidence.ts";
import type { Prices, ServedCall } from "./history.ts";
import { isServed } from "./history.ts";
import { costNanoUsd, parseUsd } from "../../shared/money.ts";

export function judgeAnswers({ made, prices }: Evidence, charges: readonly Charge[]): readonly Fault[] {
  const alone = made.filter(isServed).flatMap((one) => {
    const fault = judgeAnswer(one, prices.get(one.call.model)?.[one.call.tier]);
    return fault === undefined ? [] : [{ ...fault, calls: [one] }];
  });
  return [...alone, ...charges.flatMap(judgeRepeats)];
}

function judgeAnswer({ call, outcome }: ServedCall, prices: Prices | undefined): Omit<Fault, "calls"> | undefined {
  const { costNanoUsd: cost, body } = outcome;
  const wrong = (what: string) => ({ kind: "wrong price" as const, what });
  if (call.tokens === undefined) return { kind: "overspend", what: `${call.name} was served, and had to be refused` };
  if (cost === undefined) return wrong("the answer has no x-cost-usd");
  if (call.maxCostNanoUsd !== undefined && cost > call.maxCostNanoUsd) {
    return { kind: "overspend", what: `it cost ${cost} nano-USD, its X-Max-Cost was ${call.maxCostNanoUsd}` };
  }
  if (cost > call.boundNanoUsd) return wrong(`it cost ${cost} nano-USD, its quote was ${call.boundNanoUsd}`);
  if (body === undefined) return undefined;
  if (body.usage === undefined) return wrong("the answer has no `usage` of the API's form");
  const { tokens, cachedTokens, costUsd } = body.usage;
  if (tokens !== call.tokens) return wrong(`it read ${tokens} tokens, its quote was ${call.tokens}`);
  if (parseUsd(costUsd) !== cost) return wrong(`usage.cost is ${costUsd}, x-cost-usd ${cost} nano-USD`);
  if (prices === undefined || cachedTokens < 0 || cachedTokens > tokens) {
    return wrong(`${cachedTokens} of ${tokens} tokens were cached`);
  }
  const parts = [
    { tokens: tokens - cachedTokens, priceNanoUsdPerMillion: prices.miss },
    { tokens: cachedTokens, priceNanoUsdPerMillion: prices.hit },
  ];
  const due = costNanoUsd(parts, prices.minimum);
  if (cost === due) return undefined;
  return wrong(`it cost ${cost} nano-USD; ${tokens} tokens, ${cachedTokens} of them cached, are ${due} by /v1/models`);
}

/** Under one key there is one first answer, and every other one equals it. */
function judgeRepeats(charge: Charge): readonly Fault[] {
  const calls = charge.calls.filter(isServed);
  const firsts = calls.filter(({ outcome }) => !outcome.replayed);
  const bodies = new Set(calls.flatMap(({ outcome }) => outcome.body?.digest ?? []));
  const costs = new Set(calls.map(({ outcome }) => outcome.costNanoUsd));
  const key = calls[0]?.call.idempotencyKey ?? "";
  const fault = (what: string): Fault[] => [{ kind: "double", what: `Idempotency-Key ${key}: ${what}`, calls }];
  if (firsts.length > 1) return fault(`${firsts.length} answers are first answers`);
  if (bodies.size > 1) return fault("its answers differ");
  return costs.size > 1 ? fault(`its answers cost ${[...costs].join(" and ")} nano-USD`) : [];
}
