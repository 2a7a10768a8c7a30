// The bench's figures as markdown, ready for docs/performance.md. Pure.

import type { Measured } from "./measure.ts";
import { nameOf } from "./shapes.ts";
import type { Shape } from "./shapes.ts";

/** One measurement of a gateway and the bare upstream's right before it. */
export interface Pair {
  readonly shape: Shape;
  readonly connections: number;
  readonly bare: Measured;
  readonly through: Measured;
}

export interface GatewayFigures {
  readonly name: string;
  readonly version: string;
  readonly pairs: readonly Pair[];
}

/** Where CPU is quoted: busy, and not yet queueing for the load generator. */
const CPU_CONNECTIONS = 16;

export function report(
  all: readonly GatewayFigures[],
  shapes: readonly Shape[],
  connections: readonly number[],
): string {
  return [
    section(
      "CPU of the gateway's whole process tree per request, user and system, ms (at 16 connections; where a gateway is too slow for them, at 1)",
      cpuTable(all, shapes),
    ),
    section("requests/s per core (1 s of that CPU)", coreTable(all, shapes)),
    ...shapes.map((shape) =>
      section(`added over the bare upstream, ${nameOf(shape)}, ms`, addedTable(all, shape, connections)),
    ),
  ].join("\n");
}

function section(title: string, content: string): string {
  return `**${title}**\n\n${content}\n`;
}

function cpuTable(all: readonly GatewayFigures[], shapes: readonly Shape[]): string {
  const [own] = all;
  const rows = all.map((gateway) => [
    named(gateway),
    ...shapes.map((shape) => {
      const ratio = cpuOf(gateway, shape) / (own === undefined ? Number.NaN : cpuOf(own, shape));
      return spread(cpusOf(gateway, shape)) + (own === gateway ? "" : ` = ${digits(ratio)}x`);
    }),
  ]);
  return table(["gateway", ...shapes.map(nameOf)], rows);
}

function coreTable(all: readonly GatewayFigures[], shapes: readonly Shape[]): string {
  const rows = all.map((gateway) => [named(gateway), ...shapes.map((shape) => digits(1000 / cpuOf(gateway, shape)))]);
  return table(["gateway", ...shapes.map(nameOf)], rows);
}

function addedTable(all: readonly GatewayFigures[], shape: Shape, connections: readonly number[]): string {
  const rows = all.map((gateway) => [
    named(gateway),
    ...connections.flatMap((count) => [
      spread(valuesOf(gateway, shape, count, ({ bare, through }) => through.p50Ms - bare.p50Ms)),
      spread(valuesOf(gateway, shape, count, ({ bare, through }) => through.p99Ms - bare.p99Ms)),
    ]),
  ]);
  const heads = connections.flatMap((count) => [`p50, ${count} conn.`, `p99, ${count} conn.`]);
  return table(["gateway", ...heads], rows);
}

function cpuOf(gateway: GatewayFigures, shape: Shape): number {
  return median(cpusOf(gateway, shape));
}

/** Where a gateway is too slow for that many connections: at one. */
function cpusOf(gateway: GatewayFigures, shape: Shape): readonly number[] {
  const busy = valuesOf(gateway, shape, CPU_CONNECTIONS, ({ through }) => through.cpuMsPerCall);
  return busy.length > 0 ? busy : valuesOf(gateway, shape, 1, ({ through }) => through.cpuMsPerCall);
}

function valuesOf(
  { pairs }: GatewayFigures,
  shape: Shape,
  connections: number,
  value: (pair: Pair) => number,
): readonly number[] {
  return pairs.filter((pair) => pair.shape === shape && pair.connections === connections).map(value);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/** `median (least to most, n)`. */
export function spread(values: readonly number[]): string {
  if (values.length === 0) return "–";
  const least = digits(Math.min(...values));
  return `${digits(median(values))} (${least} to ${digits(Math.max(...values))}, n ${values.length})`;
}

export function digits(value: number): string {
  if (Number.isNaN(value)) return "–";
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

function named({ name, version }: GatewayFigures): string {
  return `${name} ${version}`;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
