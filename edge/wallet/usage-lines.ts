// Usage to report: calls added up per model, tier and minute until the next message takes them.

import type { NanoUsd } from "../../shared/money.ts";
import { ZERO_NANO_USD, nanoUsd } from "../../shared/money.ts";
import { addLatency } from "../ledger/histogram.ts";
import type { Histogram } from "../ledger/histogram.ts";
import type { UsageLine } from "../ledger/types.ts";
import { addFigures } from "../ledger/usage-cells.ts";
import type { Failure, Settlement } from "./wallet-types.ts";
import type { Tier } from "../../shared/wire.ts";

const MS_PER_MINUTE = 60_000;

type OpenLine = { -readonly [Field in keyof Omit<UsageLine, "latency">]: UsageLine[Field] } & { latency: Histogram };

export class LineBook {
  private readonly lines = new Map<string, OpenLine>();

  get size(): number {
    return this.lines.size;
  }

  addSuccess(tier: Tier, settlement: Settlement, nowMs: number): void {
    const line = this.line(settlement.model, tier, Math.floor(nowMs / MS_PER_MINUTE));
    line.requests += 1;
    line.tokens += settlement.tokens;
    line.cachedTokens += settlement.cachedTokens;
    line.costNanoUsd = sum(line.costNanoUsd, settlement.costNanoUsd);
    line.savedNanoUsd = sum(line.savedNanoUsd, settlement.savedNanoUsd);
    addLatency(line.latency, settlement.latencyMs);
  }

  /** A call that failed or was refused counts as an error only: no request, tokens or money. 499 counts as a 4xx. */
  addFailure(call: { readonly model: string; readonly tier: Tier }, failure: Failure, nowMs: number): void {
    const line = this.line(call.model, call.tier, Math.floor(nowMs / MS_PER_MINUTE));
    if (failure.status >= 500) line.errors5xx += 1;
    else line.errors4xx += 1;
  }

  /** Empties the book into a message. */
  drain(): UsageLine[] {
    const lines = [...this.lines.values()];
    this.lines.clear();
    return lines;
  }

  /** Takes back the lines of a message that was never applied. */
  putBack(lines: readonly UsageLine[]): void {
    for (const from of lines) addFigures(this.line(from.model, from.tier, from.minute), from);
  }

  private line(model: string, tier: Tier, minute: number): OpenLine {
    const key = `${minute}|${tier}|${model}`;
    let line = this.lines.get(key);
    if (line === undefined) {
      line = {
        model,
        tier,
        minute,
        requests: 0,
        tokens: 0,
        cachedTokens: 0,
        costNanoUsd: ZERO_NANO_USD,
        savedNanoUsd: ZERO_NANO_USD,
        errors4xx: 0,
        errors5xx: 0,
        latency: {},
      };
      this.lines.set(key, line);
    }
    return line;
  }
}

function sum(a: NanoUsd, b: NanoUsd): NanoUsd {
  return nanoUsd(a + b);
}
