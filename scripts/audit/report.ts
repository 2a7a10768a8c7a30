// An audit's verdict in words.

import type { Charge } from "./charges.ts";
import { sum } from "./charges.ts";
import type { Fault } from "./evidence.ts";
import type { MadeCall, Outcome } from "./history.ts";
import type { Surface } from "./surfaces.ts";
import { unreachable } from "../../shared/assert.ts";
import { formatUsd, nanoUsd } from "../../shared/money.ts";

/** The most calls that are listed with a fault, and the most faults of a kind. */
const CALLS_MAX = 10;
const FAULTS_MAX = 10;

export function countsOf(made: readonly MadeCall[]): string {
  const count = (kind: Outcome["kind"]): number => made.filter(({ outcome }) => outcome.kind === kind).length;
  const kinds = `${count("served")} served, ${count("refused")} refused, ${count("unknown")} cut off with an unknown end, ${count("unsent")} cut off while they were sent`;
  return `${made.length} calls: ${kinds}`;
}

/** How many calls of each surface were served. */
export function servedOf(made: readonly MadeCall[], surfaces: readonly Surface[]): string {
  const served = (surface: Surface): number =>
    made.filter(({ call, outcome }) => call.surface === surface && outcome.kind === "served").length;
  return surfaces.map((surface) => `${surface} ${served(surface)}`).join(", ");
}

export function billOf(charges: readonly Charge[]): string {
  const least = sum(charges.map((charge) => charge.least)).costNanoUsd;
  const most = sum(charges.map((charge) => charge.most)).costNanoUsd;
  const unknown = charges.filter(({ knownMs }) => knownMs === undefined).length;
  const open = unknown === 0 ? "" : `, and at most $${usd(most - least)} for ${unknown} calls whose end is unknown`;
  return `$${usd(least)} for what was answered${open}`;
}

/** A paragraph a fault. */
export function faultLines(faults: readonly Fault[]): string[] {
  const kinds = [...new Set(faults.map(({ kind }) => kind))];
  return kinds.flatMap((kind) => {
    const own = faults.filter((fault) => fault.kind === kind);
    const more = own.length > FAULTS_MAX ? [`… and ${own.length - FAULTS_MAX} more of this kind`] : [];
    return [...own.slice(0, FAULTS_MAX).map(paragraphOf), ...more];
  });
}

function paragraphOf({ kind, what, calls }: Fault): string {
  const shown = calls.slice(0, CALLS_MAX).map((one) => `    ${callLine(one)}`);
  const more = calls.length > CALLS_MAX ? [`    … and ${calls.length - CALLS_MAX} more calls`] : [];
  return [`FAULT ${kind}: ${what}`, ...shown, ...more].join("\n");
}

function callLine({ id, call, outcome, sentMs, endedMs }: MadeCall): string {
  const key = call.idempotencyKey === undefined ? "" : `, ${call.idempotencyKey}`;
  return `#${id} at ${sentMs.toFixed(0)}–${endedMs.toFixed(0)} ms: POST ${call.name}, ${call.tier}${key}: ${outcomeOf(outcome)}`;
}

function outcomeOf(outcome: Outcome): string {
  switch (outcome.kind) {
    case "served": {
      const cost = outcome.costNanoUsd === undefined ? "without a cost" : `${outcome.costNanoUsd} nano-USD`;
      return `served for ${cost}${outcome.replayed ? ", replayed" : ""}, ${outcome.requestId}`;
    }
    case "refused":
      return `refused, ${outcome.status} ${outcome.code}`;
    case "unknown":
      return `unknown end (${outcome.why})`;
    case "unsent":
      return `not sent whole (${outcome.why})`;
    default:
      return unreachable(outcome);
  }
}

function usd(amount: number): string {
  return formatUsd(nanoUsd(amount));
}
