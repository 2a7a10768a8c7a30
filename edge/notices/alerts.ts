// Alerts: which of an account's thresholds are crossed. Pure. It compares levels and not changes, so that the next
// check makes up for one that a crash prevented. A spend alert fires once per UTC day or month; a balance alert fires
// once, and again only after the balance has recovered.

import { unreachable } from "../../shared/assert.ts";
import type { Id } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";

export const ALERT_KINDS = ["daily_spend", "monthly_spend", "balance_below"] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];
export const ALERTS_MAX = 20;

export interface AlertRecord {
  readonly id: Id<"alert">;
  readonly kind: AlertKind;
  readonly thresholdNanoUsd: NanoUsd;
  readonly createdAtMs: number;
  /** The period it fired in (the start of the day or month; 0 for a balance alert); removed when it may fire again. */
  readonly firedPeriodMs?: number;
  readonly lastFiredAtMs?: number;
}

/** What the account's books say now. */
export interface Levels {
  readonly balanceNanoUsd: NanoUsd;
  readonly dayStartMs: number;
  readonly dayNanoUsd: NanoUsd;
  readonly monthStartMs: number;
  readonly monthNanoUsd: NanoUsd;
}

export interface AlertChange {
  readonly record: AlertRecord;
  /** The level it fired at; undefined: a balance alert that may fire again. */
  readonly firedAtNanoUsd?: NanoUsd;
}

/** The alerts whose state changes at these levels. */
export function changedAlerts(alerts: readonly AlertRecord[], levels: Levels, nowMs: number): AlertChange[] {
  const changes: AlertChange[] = [];
  for (const alert of alerts) {
    const { value, periodMs, crossed } = standing(alert, levels);
    if (crossed && alert.firedPeriodMs !== periodMs) {
      changes.push({ record: { ...alert, firedPeriodMs: periodMs, lastFiredAtMs: nowMs }, firedAtNanoUsd: value });
    } else if (!crossed && alert.kind === "balance_below" && alert.firedPeriodMs !== undefined) {
      const { firedPeriodMs: _fired, ...armed } = alert;
      changes.push({ record: armed });
    }
  }
  return changes;
}

function standing(alert: AlertRecord, levels: Levels): { value: NanoUsd; periodMs: number; crossed: boolean } {
  switch (alert.kind) {
    case "daily_spend":
      return spent(levels.dayNanoUsd, levels.dayStartMs, alert);
    case "monthly_spend":
      return spent(levels.monthNanoUsd, levels.monthStartMs, alert);
    case "balance_below":
      return { value: levels.balanceNanoUsd, periodMs: 0, crossed: levels.balanceNanoUsd < alert.thresholdNanoUsd };
    default:
      return unreachable(alert.kind);
  }
}

function spent(value: NanoUsd, periodMs: number, alert: AlertRecord) {
  return { value, periodMs, crossed: value >= alert.thresholdNanoUsd };
}
