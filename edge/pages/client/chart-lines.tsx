// Lines over time. Points may be missing (a day without calls has no latency): the line then has a gap.

import type { VNode } from "preact";
import { Chart, colourOf, dateLabel, gridOf } from "./chart.tsx";
import type { Plot } from "./chart.tsx";
import { formatDay } from "./format.ts";

interface Point {
  /** Unix seconds. */
  readonly at: number;
  readonly value: number | null;
}

interface LineSeries {
  readonly name: string;
  /** For `colourOf`. */
  readonly colour: number;
  readonly isDashed?: boolean;
  readonly points: readonly Point[];
}

interface LinesProps {
  readonly title: string;
  readonly summary: string;
  readonly rest: string;
  readonly series: readonly LineSeries[];
  readonly format: (value: number) => string;
}

const LABEL_PX = 90;
const HALF_BAND_PX = 2;

export function Lines({ title, summary, rest, series, format }: LinesProps): VNode {
  const points = series.flatMap((one) => one.points);
  const times = [...new Set(points.map(({ at }) => at))].sort((a, b) => a - b);
  const valuesAt = series.map((one) => new Map(one.points.map(({ at, value }) => [at, value])));
  const draw = (width: number): Plot => {
    const { y, left, right, marks } = gridOf(width, Math.max(0, ...points.map(({ value }) => value ?? 0)), format);
    const [first = 0, last = 1] = [times[0], times.at(-1)];
    const x = (at: number) => left + ((right - left) * (at - first)) / Math.max(last - first, 1);
    const labels = Math.max(2, Math.floor(width / LABEL_PX));
    return {
      marks: [
        marks,
        series.map((one) => line(one, x, y)),
        Array.from({ length: labels }, (_, place) => {
          const at = first + ((last - first) * place) / (labels - 1);
          const anchor = place === 0 ? "start" : place === labels - 1 ? "end" : "middle";
          return dateLabel(x(at), at, anchor);
        }),
      ],
      read: (pointer) => {
        if (pointer < left || times.length === 0) return undefined;
        const distance = (at: number) => Math.abs(x(at) - pointer);
        const at = times.reduce((best, time) => (distance(time) < distance(best) ? time : best));
        const known = series.flatMap(({ name }, place) => {
          const value = valuesAt[place]?.get(at) ?? null;
          return value === null ? [] : [`${name} ${format(value)}`];
        });
        return {
          x: x(at) - HALF_BAND_PX,
          width: 2 * HALF_BAND_PX,
          text: `${formatDay(at)}: ${known.join(", ") || "no calls"}`,
        };
      },
    };
  };
  return (
    <Chart
      title={title}
      summary={summary}
      rest={rest}
      legend={series.map(({ name, colour }) => ({ name, colour: colourOf(colour) }))}
      columns={series.map(({ name }) => name)}
      rows={() =>
        times.map((at) => [
          formatDay(at),
          ...valuesAt.map((values) => {
            const value = values.get(at) ?? null;
            return value === null ? "–" : format(value);
          }),
        ])
      }
      draw={draw}
    />
  );
}

type Scale = (value: number) => number;

function line({ colour, isDashed, points }: LineSeries, x: Scale, y: Scale): VNode {
  let path = "";
  const lone: VNode[] = [];
  for (const [place, { at, value }] of points.entries()) {
    if (value === null) continue;
    const isFirst = (points[place - 1]?.value ?? null) === null;
    path += `${isFirst ? "M" : "L"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    // A point without neighbours draws no line.
    if (isFirst && (points[place + 1]?.value ?? null) === null) {
      lone.push(<circle fill={colourOf(colour)} cx={x(at)} cy={y(value)} r={2.5} />);
    }
  }
  return (
    <>
      <path class={isDashed === true ? "line dashed" : "line"} stroke={colourOf(colour)} d={path} />
      {lone}
    </>
  );
}
