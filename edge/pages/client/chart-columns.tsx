// Stacked columns over time: one path per series, so that a year of days costs eight elements.

import { HEIGHT, MARGIN, chartPanel, drawGrid } from "./chart.tsx";
import { svg } from "./dom.ts";
import { spread } from "./scale.ts";
import type { Stack } from "./usage-data.ts";

export interface Columns {
  readonly title: string;
  readonly stack: Stack;
  /** One a row of the stack. */
  readonly labels: readonly string[];
  /** The same, shorter, for the axis. */
  readonly axis: readonly string[];
  readonly format: (value: number) => string;
  /** Colour numbers (charts.css) by series, where they mean something. */
  readonly fills?: readonly number[];
  readonly isWide?: boolean;
}

const LABEL_PX = 64;

export function columnsPanel(columns: Columns): HTMLElement {
  const { title, stack, labels, axis, format, isWide } = columns;
  const fill = (series: number) => `fill-${columns.fills?.[series] ?? series + 1}`;
  const totals = stack.rows.map(sum);
  const all = sum(totals);
  const most = labels[totals.indexOf(Math.max(...totals))] ?? "";
  const rest = all === 0 ? "Nothing in this period" : `${format(all)} in all`;
  return chartPanel({
    title,
    summary: all === 0 ? rest : `${rest}, most on ${most}`,
    rest,
    ...(isWide === undefined ? {} : { isWide }),
    legend: stack.names.map((name, series) => ({ name, fill: fill(series) })),
    table: {
      head: ["", "Total", ...(stack.names.length > 1 ? stack.names : [])],
      rows: stack.rows.map((row, index) => [
        labels[index] ?? "",
        format(totals[index] ?? 0),
        ...(stack.names.length > 1 ? row.map(format) : []),
      ]),
    },
    draw: (root, width, say) => {
      const { y, left } = drawGrid(root, width, Math.max(0, ...totals), format);
      const step = (width - left - MARGIN.right) / Math.max(1, stack.rows.length);
      const x = (index: number) => left + index * step;
      for (const series of stack.names.keys()) {
        root.append(svg("path", { class: fill(series), d: seriesPath(stack.rows, series, { x, y, step }) }));
      }
      for (const index of spread(axis.length, Math.max(2, Math.floor(width / LABEL_PX)))) {
        root.append(svg("text", { x: x(index) + step / 2, y: HEIGHT - 6, "text-anchor": "middle" }, axis[index] ?? ""));
      }
      readOut(root, (clientX) => {
        const index = Math.floor((clientX - left) / step);
        const row = stack.rows[index];
        say(row === undefined ? undefined : sentence(labels[index] ?? "", row, stack.names, format));
        return row === undefined ? undefined : { x: x(index), width: step };
      });
    },
  });
}

interface Scales {
  readonly x: (index: number) => number;
  readonly y: (value: number) => number;
  readonly step: number;
}

function seriesPath(rows: Stack["rows"], series: number, { x, y, step }: Scales): string {
  const gap = step > 6 ? Math.min(3, step * 0.2) : 0;
  const parts: string[] = [];
  for (const [index, row] of rows.entries()) {
    const value = row[series] ?? 0;
    if (value <= 0) continue;
    const below = sum(row.slice(0, series));
    const [top, bottom] = [y(below + value), y(below)];
    parts.push(
      `M${(x(index) + gap / 2).toFixed(1)} ${top.toFixed(1)}h${(step - gap).toFixed(1)}V${bottom.toFixed(1)}h-${(step - gap).toFixed(1)}z`,
    );
  }
  return parts.join("");
}

function sentence(
  label: string,
  row: readonly number[],
  names: readonly string[],
  format: (value: number) => string,
): string {
  const parts = names
    .map((name, series) => ({ name, value: row[series] ?? 0 }))
    .filter(({ value }) => value > 0)
    .map(({ name, value }) => `${name} ${format(value)}`);
  const total = format(sum(row));
  return parts.length < 2 ? `${label}: ${total}` : `${label}: ${total} (${parts.join(", ")})`;
}

/** Marks the band that `at` returns for the pointer's x, and clears it when the pointer leaves. */
export function readOut(
  root: SVGSVGElement,
  at: (x: number) => { readonly x: number; readonly width: number } | undefined,
): void {
  const box = { y: MARGIN.top, height: HEIGHT - MARGIN.top - MARGIN.bottom };
  const band = svg("rect", { class: "hover", ...box });
  // The listeners stand on a rectangle of this drawing, so that they go when it is drawn again.
  const surface = svg("rect", { class: "surface", x: 0, width: root.clientWidth, ...box });
  root.append(band, surface);
  surface.addEventListener("pointermove", (event) => {
    const place = at(event.clientX - root.getBoundingClientRect().left);
    band.classList.toggle("on", place !== undefined);
    if (place === undefined) return;
    band.setAttribute("x", String(place.x));
    band.setAttribute("width", String(place.width));
  });
  surface.addEventListener("pointerleave", () => {
    band.classList.remove("on");
    at(-1);
  });
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
