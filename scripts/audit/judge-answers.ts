// Judges each answer by itself: its price by its tokens, its tokens by the quote, what should have been refused, and the
// repeats of one `Idempotency-Key` by each other; of a stream or batch each line, and the sum of all. Pure.

import type { Charge } from "./charges.ts";
import type { Evidence, Fault } from "./evidence.ts";
import type { Part, Prices, ServedBody, ServedCall, Told } from "./history.ts";
import { isServed } from "./history.ts";
import { costNanoUsd, usdNumber } from "../../shared/money.ts";
import type { NanoUsd } from "../../shared/money.ts";

type Found = Omit<Fault, "calls">;

export function judgeAnswers({ made, prices }: Evidence, charges: readonly Charge[]): readonly Fault[] {
  const alone = made.filter(isServed).flatMap((one) => {
    const own = prices.get(one.call.model)?.[one.call.tier];
    const found = own === undefined ? [wrong(`${one.call.model} has no prices`)] : judgeAnswer(one, own);
    return found.map((fault) => ({ ...fault, calls: [one] }));
  });
  return [...alone, ...charges.flatMap(judgeRepeats)];
}

function wrong(what: string): Found {
  return { kind: "wrong price", what };
}

function judgeAnswer(one: ServedCall, prices: Prices): readonly Found[] {
  const { call, outcome } = one;
  const { costNanoUsd: cost, body } = outcome;
  if (call.tokens === undefined) return [{ kind: "overspend", what: `${call.name} was served, and had to be refused` }];
  if (cost === undefined)
    return [wrong(call.form === "mcp" ? "the answer has no cost" : "the answer has no x-cost-usd")];
  if (call.maxCostNanoUsd !== undefined && cost > call.maxCostNanoUsd) {
    return [{ kind: "overspend", what: `it cost ${cost} nano-USD, its X-Max-Cost was ${call.maxCostNanoUsd}` }];
  }
  if (cost > call.boundNanoUsd) return [wrong(`it cost ${cost} nano-USD, its quote was ${call.boundNanoUsd}`)];
  if (body === undefined) return [];
  if (body.usage === undefined) return [wrong("the answer has no `usage` of the API's form")];
  if (call.job !== undefined) return judgeJob(body, body.usage, cost, prices);
  const { tokens = call.tokens, costNanoUsd: told } = body.usage;
  if (tokens !== call.tokens) return [wrong(`it read ${tokens} tokens, its quote was ${call.tokens}`)];
  if ("costNanoUsd" in body.usage && told !== cost) {
    const usd = told === undefined ? "no amount" : usdNumber(told);
    return [wrong(`usage.cost is ${usd}, x-cost-usd ${cost} nano-USD`)];
  }
  return judgePrice(cost, tokens, body.usage.cachedTokens ?? cachedBy(outcome.cache, tokens), prices);
}

/** How many tokens were cached by `x-cache`; undefined: some, perhaps. */
function cachedBy(cache: string | undefined, tokens: number): number | undefined {
  if (cache === "miss") return 0;
  return cache === "hit" ? tokens : undefined;
}

function judgePrice(cost: NanoUsd, tokens: number, cached: number | undefined, prices: Prices): readonly Found[] {
  if (cached === undefined) {
    const [all, none] = [dueFor(tokens, 0, prices), dueFor(tokens, tokens, prices)];
    const [least, most] = [Math.min(all, none), Math.max(all, none)];
    if (cost >= least && cost <= most) return [];
    return [wrong(`it cost ${cost} nano-USD; ${tokens} tokens are ${least} to ${most} by /v1/models`)];
  }
  if (cached < 0 || cached > tokens) return [wrong(`${cached} of ${tokens} tokens were cached`)];
  const due = dueFor(tokens, cached, prices);
  if (cost === due) return [];
  return [wrong(`it cost ${cost} nano-USD; ${tokens} tokens, ${cached} of them cached, are ${due} by /v1/models`)];
}

function dueFor(tokens: number, cached: number, { miss, hit, minimum }: Prices): NanoUsd {
  const parts = [
    { tokens: tokens - cached, priceNanoUsdPerMillion: miss },
    { tokens: cached, priceNanoUsdPerMillion: hit },
  ];
  return costNanoUsd(parts, minimum);
}

/** Each line by its own quote and price; their sum by what the whole says. */
function judgeJob(
  { parts = [], broken = [] }: ServedBody,
  whole: Told,
  cost: NanoUsd,
  prices: Prices,
): readonly Found[] {
  const found: Found[] = [...broken, ...parts.flatMap((part) => judgePart(part, prices))];
  const good = parts.flatMap(({ told }) => told ?? []);
  const tokens = good.reduce((sum, told) => sum + (told.tokens ?? 0), 0);
  if (whole.tokens !== undefined && whole.tokens !== tokens) {
    found.push(wrong(`it says ${whole.tokens} tokens, its lines have ${tokens}`));
  }
  if (good.every((told) => "costNanoUsd" in told)) {
    const sum = good.reduce((all, told) => all + (told.costNanoUsd ?? 0), 0);
    if (sum !== cost) found.push(wrong(`it says that it cost ${cost} nano-USD, its lines cost ${sum}`));
  }
  return found;
}

function judgePart({ name, tokens: quoted, told }: Part, prices: Prices): readonly Found[] {
  if (told === undefined) return [];
  const { tokens = 0, cachedTokens, costNanoUsd: cost } = told;
  const of = (faults: readonly Found[]) => faults.map((fault) => ({ ...fault, what: `${name}: ${fault.what}` }));
  if (quoted === undefined) return [{ kind: "overspend", what: `${name} was answered, and had to fail` }];
  if (tokens !== quoted) return of([wrong(`it read ${tokens} tokens, its quote was ${quoted}`)]);
  if (!("costNanoUsd" in told)) return [];
  return of(cost === undefined ? [wrong("it has no cost")] : judgePrice(cost, tokens, cachedTokens, prices));
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
