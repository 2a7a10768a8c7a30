// Judges a bill by the audit's own history (docs/bill.md). Pure. Every charge has an interval: a call that
// was served costs what its answer said; one that was refused, or that the server never had, nothing; one whose end is
// unknown, nothing or its bound once. The books have to lie within the sums, at the end and in every reading before it.

import { chargesOf, minus, sum } from "./charges.ts";
import type { Charge } from "./charges.ts";
import type { Evidence, Fault } from "./evidence.ts";
import type { Figures, Line, MadeCall, Reading, Usage } from "./history.ts";
import { NO_FIGURES } from "./history.ts";
import { judgeAnswers } from "./judge-answers.ts";

const FIGURES = ["requests", "tokens", "costNanoUsd"] as const;

export function judge(evidence: Evidence): readonly Fault[] {
  const charges = chargesOf(evidence.made);
  return [
    ...judgeAnswers(evidence, charges),
    ...judgeBalances(evidence),
    ...judgeUsage(evidence, charges),
    ...judgeStatement(evidence),
  ];
}

function judgeBalances({ readings, end }: Evidence): readonly Fault[] {
  return [...readings, end.reading].flatMap((reading) => {
    const { balanceNanoUsd: balance, heldNanoUsd: held } = reading;
    if (balance >= 0 && held <= balance) return [];
    const what = balance < 0 ? `the balance is ${balance} nano-USD` : `${held} nano-USD are held of ${balance}`;
    return [{ kind: "overspend" as const, what: `${what}, read at ${reading.answeredMs.toFixed(0)} ms`, calls: [] }];
  });
}

/** One fault a model, tier and direction: at the first reading that does not fit. */
function judgeUsage(evidence: Evidence, charges: readonly Charge[]): readonly Fault[] {
  const { start, readings, end } = evidence;
  const names = new Set([...charges.map(({ name }) => name), ...end.reading.usage.keys()]);
  return [...names].flatMap((name) => {
    const own = charges.filter((charge) => charge.name === name);
    const writtenOff = writtenOffOf(evidence, name);
    const before = start.reading.usage;
    const faults: Fault[] = [];
    let fitted: Reading = start.reading;
    for (const reading of [...readings, end.reading]) {
      const isEnd = reading === end.reading;
      const grown = difference(reading.usage, before, name);
      const most = sum(own.filter(({ sentMs }) => isEnd || sentMs <= reading.answeredMs).map((charge) => charge.most));
      const settledBy = isEnd ? Infinity : reading.askedMs - evidence.settleMs;
      const least = sum(own.filter(({ knownMs }) => (knownMs ?? Infinity) <= settledBy).map((charge) => charge.least));
      const over = minus(grown, most);
      const under = minus({ ...least, costNanoUsd: least.costNanoUsd - writtenOff }, grown);
      const between = (charge: Charge): boolean =>
        charge.sentMs <= reading.answeredMs && (charge.knownMs ?? Infinity) >= fitted.askedMs - evidence.settleMs;
      if (isPositive(over)) faults.push(overFault(name, over, grown, own.filter(between)));
      else if (isPositive(under)) faults.push(underFault(name, under, grown, own.filter(between)));
      else {
        fitted = reading;
        continue;
      }
      break;
    }
    return faults;
  });
}

function overFault(name: string, over: Figures, grown: Figures, suspects: readonly Charge[]): Fault {
  const kind = over.requests > 0 ? "double" : "overspend";
  const what = `${name}: the account was charged ${shown(grown)}: ${shown(over)} more than the answered calls come to, and all whose end is unknown`;
  return { kind, what, calls: likeliest(suspects, over) };
}

function underFault(name: string, under: Figures, grown: Figures, suspects: readonly Charge[]): Fault {
  const what = `${name}: the account was charged ${shown(grown)}: ${shown(under)} less than the answered calls come to`;
  return { kind: "lost", what, calls: likeliest(suspects, under) };
}

/** The calls of charges that alone would explain the amount; where there are none, of all. */
function likeliest(suspects: readonly Charge[], by: Figures): readonly MadeCall[] {
  const exact = suspects.filter(({ most }) => most.costNanoUsd === by.costNanoUsd && most.tokens === by.tokens);
  return (exact.length > 0 ? exact : suspects).flatMap(({ calls }) => calls);
}

function judgeStatement({ start, end, keyId }: Evidence): readonly Fault[] {
  const faults: Fault[] = [];
  const fault = (what: string): void => void faults.push({ kind: "books", what, calls: [] });
  for (const [index, line] of end.lines.entries()) {
    const before = end.lines[index + 1];
    if (before === undefined) break;
    const expected = before.balanceAfterNanoUsd + changeOf(line);
    if (line.balanceAfterNanoUsd !== expected) {
      fault(`${line.id} leaves ${line.balanceAfterNanoUsd} nano-USD; ${expected} follows from ${before.id}`);
    }
  }
  const { balanceNanoUsd: balance } = end.reading;
  const [newest] = end.lines;
  if (newest !== undefined && newest.balanceAfterNanoUsd !== balance) {
    fault(`the balance is ${balance} nano-USD, but ${newest.balanceAfterNanoUsd} behind the newest line, ${newest.id}`);
  }
  const moved = balance - start.reading.balanceNanoUsd;
  const stated = total(end.lines) - total(start.lines);
  if (moved !== stated) fault(`the balance moved by ${moved} nano-USD, the statement by ${stated}`);
  const models = new Set([...end.lines, ...start.lines].flatMap(({ model }) => model ?? []));
  for (const model of models) {
    const own = (lines: readonly Line[]): number =>
      total(lines.filter((line) => line.kind === "charge" && line.keyId === keyId && line.model === model));
    const billed = own(start.lines) - own(end.lines);
    const used = ofModel(end.reading.usage, model) - ofModel(start.reading.usage, model);
    if (billed !== used) fault(`${model}: ${used} nano-USD of usage, but ${billed} in the statement's charges`);
  }
  return faults;
}

function writtenOffOf({ start, end, keyId }: Evidence, name: string): number {
  const of = (lines: readonly Line[]): number =>
    lines
      .filter((line) => line.kind === "write_off" && line.keyId === keyId && name.startsWith(`${line.model}, `))
      .reduce((sumSoFar, line) => sumSoFar + line.amountNanoUsd, 0);
  return of(end.lines) - of(start.lines);
}

/** What a line does to the balance: a write-off is a memo. */
function changeOf({ kind, amountNanoUsd }: Line): number {
  return kind === "write_off" ? 0 : amountNanoUsd;
}

function total(lines: readonly Line[]): number {
  return lines.reduce((sumSoFar, line) => sumSoFar + changeOf(line), 0);
}

function ofModel(usage: Usage, model: string): number {
  return [...usage].reduce(
    (all, [name, { costNanoUsd }]) => (name.startsWith(`${model}, `) ? all + costNanoUsd : all),
    0,
  );
}

function difference(after: Usage, before: Usage, name: string): Figures {
  return minus(after.get(name) ?? NO_FIGURES, before.get(name) ?? NO_FIGURES);
}

function isPositive(figures: Figures): boolean {
  return FIGURES.some((figure) => figures[figure] > 0);
}

function shown({ requests, tokens, costNanoUsd }: Figures): string {
  const parts = [
    ...(requests === 0 ? [] : [`${requests} calls`]),
    ...(tokens === 0 ? [] : [`${tokens} tokens`]),
    `${costNanoUsd} nano-USD`,
  ];
  return parts.join(", ");
}
