// What all charts share: a title, a line that reads out the figures under the pointer, the drawing in pixels, a legend,
// and the same figures as a table for those who do not see the drawing.

import type { ComponentChildren, TargetedPointerEvent, VNode } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { must } from "../../../shared/assert.ts";
import { formatShortDay } from "./format.ts";
import { Panel, Table } from "./parts.tsx";
import { ticks } from "./scale.ts";

/** The height in charts.css. */
const HEIGHT = 210;
const LABEL_FONT_PX = 11;
const MARGIN = { top: 10, right: 8, bottom: 22 } as const;
const PLOT_HEIGHT = HEIGHT - MARGIN.top - MARGIN.bottom;
/** Between the axis labels and the plot, and beside the labels. */
const LABEL_GAP = 8;

export interface Plot {
  readonly marks: ComponentChildren;
  /** The band at `x` pixels from the left, and its figures in words. */
  readonly read: (x: number) => Reading | undefined;
}

interface Reading {
  readonly x: number;
  readonly width: number;
  readonly text: string;
}

interface ChartProps {
  readonly title: string;
  /** One sentence instead of the drawing, for screen readers. */
  readonly summary: string;
  /** The read-out while the pointer is elsewhere. */
  readonly rest: string;
  readonly legend: readonly { readonly name: string; readonly colour: string }[];
  /** Names of the table's columns after the date. */
  readonly columns: readonly string[];
  /** Rows of the table; called when it is opened. */
  readonly rows: () => readonly (readonly string[])[];
  /** Draws for a width in pixels. */
  readonly draw: (width: number) => Plot;
  readonly isFull?: boolean | undefined;
}

export function Chart({ title, summary, rest, legend, columns, rows, draw, isFull }: ChartProps): VNode {
  const root = useRef<SVGSVGElement>(null);
  const [width, setWidth] = useState(0);
  const [reading, setReading] = useState<Reading>();
  const [isOpen, setOpen] = useState(false);
  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    observer.observe(must(root.current, "the drawing"));
    return () => observer.disconnect();
  }, []);
  // Moves of the pointer must not draw the chart again.
  const plot = useMemo(() => (width === 0 ? undefined : draw(width)), [draw, width]);
  const point = ({ clientX, currentTarget }: TargetedPointerEvent<SVGSVGElement>) =>
    setReading(plot?.read(clientX - currentTarget.getBoundingClientRect().left));
  return (
    <Panel title={title} isFull={isFull}>
      <p class="readout">
        {rest}
        {reading !== undefined && <span>{reading.text}</span>}
      </p>
      <svg
        ref={root}
        class="chart"
        role="img"
        aria-label={`${title}: ${summary}`}
        onPointerMove={point}
        onPointerLeave={() => setReading(undefined)}
      >
        {plot?.marks}
        {reading !== undefined && (
          <rect class="hover" x={reading.x} width={reading.width} y={MARGIN.top} height={PLOT_HEIGHT} />
        )}
      </svg>
      {legend.length > 1 && (
        <ul class="legend" aria-hidden="true">
          {legend.map(({ name, colour }) => (
            <li>
              <span class="key" style={{ background: colour }} />
              {name}
            </li>
          ))}
        </ul>
      )}
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>As a table</summary>
        {isOpen && (
          <Table label={title} columns={["Date", ...columns]} figures={columns.length}>
            {rows().map(([date, ...figures]) => (
              <tr>
                <th scope="row">{date}</th>
                {figures.map((figure) => (
                  <td class="num">{figure}</td>
                ))}
              </tr>
            ))}
          </Table>
        )}
      </details>
    </Panel>
  );
}

/** The colour of series 1 to 8 (frame.css), in both themes. */
export function colourOf(series: number): string {
  return `var(--s${series})`;
}

interface Grid {
  readonly y: (value: number) => number;
  /** The plot's left edge, after the widest label, however many digits an amount has. */
  readonly left: number;
  readonly right: number;
  readonly marks: ComponentChildren;
}

/** Grid lines with labels, from 0 to a round number above `max`. */
export function gridOf(width: number, max: number, format: (value: number) => string): Grid {
  const values = ticks(max, 4);
  const top = values.at(-1) || 1;
  const y = (value: number) => MARGIN.top + PLOT_HEIGHT * (1 - value / top);
  const left = Math.ceil(Math.max(...values.map((value) => widthOf(format(value))))) + 2 * LABEL_GAP;
  const right = width - MARGIN.right;
  const marks = values.map((value) => (
    <>
      <line class={value === 0 ? "grid axis" : "grid"} x1={left} x2={right} y1={y(value)} y2={y(value)} />
      <text x={left - LABEL_GAP} y={y(value) + 4} text-anchor="end">
        {format(value)}
      </text>
    </>
  ));
  return { y, left, right, marks };
}

const pen = must(document.createElement("canvas").getContext("2d"), "a canvas to measure with");

/** The width of a label, in pixels. */
function widthOf(label: string): number {
  pen.font = `${LABEL_FONT_PX}px ${getComputedStyle(document.body).fontFamily}`;
  return pen.measureText(label).width;
}

/** The day of `at` (unix seconds), under the plot. */
export function dateLabel(x: number, at: number, anchor: "start" | "middle" | "end"): VNode {
  return (
    <text x={x} y={HEIGHT - 6} text-anchor={anchor}>
      {formatShortDay(at)}
    </text>
  );
}
