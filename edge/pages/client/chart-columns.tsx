// Stacked columns over time: one path per series, so that a year of days costs eight elements.

import type { VNode } from "preact";
import { Chart, colourOf, dateLabel, gridOf } from "./chart.tsx";
import type { Plot } from "./chart.tsx";
import { formatDay } from "./format.ts";
import { spread } from "./scale.ts";
import type { Stack } from "./usage-data.ts";

interface ColumnsProps {
  readonly title: string;
  readonly stack: Stack;
  /** Unix seconds, one a row of the stack. */
  readonly times: readonly number[];
  readonly format: (value: number) => string;
  /** By series, where a colour has a meaning: numbers for `colourOf`. */
  readonly colours?: readonly number[];
  readonly isFull?: boolean;
}

const LABEL_PX = 64;

export function Columns({ title, stack, times, format, colours, isFull }: ColumnsProps): VNode {
  const { names, rows } = stack;
  const colour = (series: number) => colourOf(colours?.[series] ?? series + 1);
  const totals = rows.map(sum);
  const all = sum(totals);
  const rest = all === 0 ? "Nothing in this period" : `${format(all)} in all`;
  const dateOf = (row: number) => formatDay(times[row] ?? 0);
  const draw = (width: number): Plot => {
    const { y, left, right, marks } = gridOf(width, Math.max(0, ...totals), format);
    const step = (right - left) / Math.max(1, rows.length);
    const x = (row: number) => left + row * step;
    return {
      marks: [
        marks,
        names.map((_, series) => <path fill={colour(series)} d={seriesPath(rows, series, { x, y, step })} />),
        spread(rows.length, Math.max(2, Math.floor(width / LABEL_PX))).map((row) =>
          dateLabel(x(row) + step / 2, times[row] ?? 0, "middle"),
        ),
      ],
      read: (at) => {
        const place = Math.floor((at - left) / step);
        const row = rows[place];
        return row && { x: x(place), width: step, text: `${dateOf(place)}: ${sentence(row, names, format)}` };
      },
    };
  };
  const split = names.length > 1;
  return (
    <Chart
      title={title}
      summary={all === 0 ? rest : `${rest}, most on ${dateOf(totals.indexOf(Math.max(...totals)))}`}
      rest={rest}
      legend={names.map((name, series) => ({ name, colour: colour(series) }))}
      columns={["Total", ...(split ? names : [])]}
      rows={() =>
        rows.map((row, place) => [
          dateOf(place),
          format(totals[place] ?? 0),
          ...(split ? row.map((value) => format(value)) : []),
        ])
      }
      draw={draw}
      isFull={isFull}
    />
  );
}

interface Scales {
  readonly x: (row: number) => number;
  readonly y: (value: number) => number;
  readonly step: number;
}

function seriesPath(rows: Stack["rows"], series: number, { x, y, step }: Scales): string {
  const gap = step > 6 ? Math.min(3, step * 0.2) : 0;
  const width = (step - gap).toFixed(1);
  return rows
    .map((row, place) => {
      const value = row[series] ?? 0;
      if (value <= 0) return "";
      const below = sum(row.slice(0, series));
      return `M${(x(place) + gap / 2).toFixed(1)} ${y(below + value).toFixed(1)}h${width}V${y(below).toFixed(1)}h-${width}z`;
    })
    .join("");
}

/** `$5.75 (Search $3.25, Support $2.50)`. */
function sentence(row: readonly number[], names: readonly string[], format: (value: number) => string): string {
  const parts = row.flatMap((value, series) => (value > 0 ? [`${names[series]} ${format(value)}`] : []));
  return parts.length < 2 ? format(sum(row)) : `${format(sum(row))} (${parts.join(", ")})`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
