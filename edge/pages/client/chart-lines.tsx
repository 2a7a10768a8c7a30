// Lines over time. Points may be missing (a day without calls has no latency): the line then has a gap.

import { HEIGHT, MARGIN, chartPanel, drawGrid } from "./chart.tsx";
import { readOut } from "./chart-columns.tsx";
import { svg } from "./dom.ts";

export interface LineSeries {
  readonly name: string;
  /** Colour number (charts.css). */
  readonly colour: 1 | 2 | 3 | 7 | 8;
  readonly isDashed?: boolean;
  /** `x` in any unit that all series share. */
  readonly points: readonly { readonly x: number; readonly value: number | null }[];
}

export interface Lines {
  readonly title: string;
  readonly summary: string;
  readonly rest: string;
  readonly series: readonly LineSeries[];
  readonly format: (value: number) => string;
  readonly formatX: (x: number) => string;
  /** The same, shorter, for the axis. */
  readonly formatAxis: (x: number) => string;
  readonly isWide?: boolean;
}

const LABEL_PX = 90;
const HALF_BAND_PX = 2;

export function linesPanel(lines: Lines): HTMLElement {
  const { title, summary, rest, series, format, formatX, formatAxis, isWide } = lines;
  const xs = [...new Set(series.flatMap(({ points }) => points.map(({ x }) => x)))].sort((a, b) => a - b);
  const valueAt = ({ points }: LineSeries, x: number) => points.find((point) => point.x === x)?.value ?? null;
  const shown = (value: number | null) => (value === null ? "–" : format(value));
  return chartPanel({
    title,
    summary,
    rest,
    ...(isWide === undefined ? {} : { isWide }),
    legend: series.map(({ name, colour }) => ({ name, fill: `fill-${colour}` })),
    table: {
      head: ["", ...series.map(({ name }) => name)],
      rows: xs.map((x) => [formatX(x), ...series.map((one) => shown(valueAt(one, x)))]),
    },
    draw: (root, width, say) => {
      const max = Math.max(0, ...series.flatMap(({ points }) => points.map(({ value }) => value ?? 0)));
      const { y, left } = drawGrid(root, width, max, format);
      const [first = 0, last = 1] = [xs[0], xs.at(-1)];
      const plotWidth = width - left - MARGIN.right;
      const px = (x: number) => left + (plotWidth * (x - first)) / Math.max(last - first, 1e-9);
      for (const one of series) {
        root.append(
          svg("path", {
            class: `line stroke-${one.colour}${one.isDashed === true ? " dashed" : ""}`,
            d: linePath(one.points, px, y),
          }),
        );
        for (const { x, value } of lonePoints(one.points)) {
          root.append(svg("circle", { class: `fill-${one.colour}`, cx: px(x), cy: y(value), r: 2.5 }));
        }
      }
      drawDates(root, width, [first, last], px, formatAxis);
      readOut(root, (clientX) => {
        if (clientX < left) say(undefined);
        const nearest = clientX < left ? undefined : nearestTo(xs, clientX, px);
        if (nearest === undefined) return undefined;
        const values = series.map((one) => ({ name: one.name, value: valueAt(one, nearest) }));
        const known = values.filter(({ value }) => value !== null);
        say(
          `${formatX(nearest)}: ${known.map(({ name, value }) => `${name} ${shown(value)}`).join(", ") || "no calls"}`,
        );
        return { x: px(nearest) - HALF_BAND_PX, width: 2 * HALF_BAND_PX };
      });
    },
  });
}

function linePath(points: LineSeries["points"], px: (x: number) => number, y: (value: number) => number): string {
  let isPenDown = false;
  let path = "";
  for (const { x, value } of points) {
    if (value !== null) path += `${isPenDown ? "L" : "M"}${px(x).toFixed(1)} ${y(value).toFixed(1)}`;
    isPenDown = value !== null;
  }
  return path;
}

/** A point without neighbours draws no line. */
function lonePoints(points: LineSeries["points"]): readonly { readonly x: number; readonly value: number }[] {
  return points.flatMap(({ x, value }, index) => {
    const isLone = (points[index - 1]?.value ?? null) === null && (points[index + 1]?.value ?? null) === null;
    return value !== null && isLone ? [{ x, value }] : [];
  });
}

function drawDates(
  root: SVGSVGElement,
  width: number,
  [first, last]: readonly [number, number],
  px: (x: number) => number,
  formatAxis: (x: number) => string,
): void {
  const count = Math.max(2, Math.floor(width / LABEL_PX));
  for (let place = 0; place < count; place += 1) {
    const x = first + ((last - first) * place) / (count - 1);
    const anchor = place === 0 ? "start" : place === count - 1 ? "end" : "middle";
    root.append(svg("text", { x: px(x), y: HEIGHT - 6, "text-anchor": anchor }, formatAxis(x)));
  }
}

function nearestTo(xs: readonly number[], clientX: number, px: (x: number) => number): number | undefined {
  let best: number | undefined;
  for (const x of xs) {
    if (best === undefined || Math.abs(px(x) - clientX) < Math.abs(px(best) - clientX)) best = x;
  }
  return best;
}
