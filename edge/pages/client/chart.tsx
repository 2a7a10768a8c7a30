// What all charts share: the figure with its title, the line that reads out what the pointer is over, a legend, and the
// same figures as a table for those who do not see the drawing. Drawn again when its width changes.

import type { Child } from "./dom.ts";
import { h, scrollable, svg } from "./dom.ts";
import { ticks } from "./scale.ts";

export const HEIGHT = 210;
export const MARGIN = { top: 10, right: 8, bottom: 22 } as const;
/** Between the labels of the axis and the plot, and beside them. */
const LABEL_GAP = 8;

export interface ChartFrame {
  readonly title: string;
  /** One sentence instead of the drawing, for screen readers. */
  readonly summary: string;
  /** The text of the read-out while the pointer is elsewhere. */
  readonly rest: string;
  readonly legend: readonly { readonly name: string; readonly fill: string }[];
  readonly table: { readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] };
  /** Draws into `root`, `width` pixels wide; `say` changes the read-out (undefined: back to rest). */
  readonly draw: (root: SVGSVGElement, width: number, say: (text: string | undefined) => void) => void;
  readonly isWide?: boolean;
}

export function chartPanel(frame: ChartFrame): HTMLElement {
  const readout = h("p", { class: "readout" }, frame.rest);
  const root = svg("svg", { class: "chart", role: "img", "aria-label": `${frame.title}: ${frame.summary}` });
  const panel = h(
    "section",
    { class: frame.isWide === true ? "panel full" : "panel" },
    h("h3", {}, frame.title),
    readout,
    root,
    frame.legend.length > 1 && legendOf(frame.legend),
    tableOf(frame),
  );
  let drawnWidth = 0;
  new ResizeObserver(() => {
    const width = Math.floor(root.clientWidth);
    if (width === drawnWidth || width === 0) return;
    drawnWidth = width;
    root.replaceChildren();
    root.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    frame.draw(root, width, (text) => (readout.textContent = text ?? frame.rest));
  }).observe(root);
  return panel;
}

function legendOf(entries: ChartFrame["legend"]): Child {
  return h(
    "ul",
    { class: "legend", "aria-hidden": "true" },
    ...entries.map(({ name, fill }) => h("li", {}, h("span", { class: `key ${fill}` }), name)),
  );
}

/** Filled when it is first opened: a year of days by eight series is not worth building unseen. */
function tableOf({ title, table }: ChartFrame): Child {
  const details = h("details", { ontoggle: fillOnce }, h("summary", {}, "As a table"));
  return details;

  function fillOnce(): void {
    if (details.childElementCount > 1) return;
    const head = h(
      "tr",
      {},
      ...table.head.map((name, column) => h("th", { scope: "col", class: column === 0 ? "" : "num" }, name)),
    );
    const rows = table.rows.map(([first, ...rest]) =>
      h("tr", {}, h("th", { scope: "row" }, first ?? ""), ...rest.map((value) => h("td", { class: "num" }, value))),
    );
    details.append(
      scrollable(`${title}, as a table`, h("table", { class: "data" }, h("thead", {}, head), h("tbody", {}, ...rows))),
    );
  }
}

export interface Grid {
  /** Of a value. */
  readonly y: (value: number) => number;
  /** Where the plot begins: behind the widest label, however many digits an amount has. */
  readonly left: number;
}

/** Grid lines with labels, from 0 to a round number above `max`. */
export function drawGrid(root: SVGSVGElement, width: number, max: number, format: (value: number) => string): Grid {
  const marks = ticks(max, 4);
  const top = marks.at(-1) || 1;
  const plotHeight = HEIGHT - MARGIN.top - MARGIN.bottom;
  const y = (value: number) => MARGIN.top + plotHeight * (1 - value / top);
  const labels = marks.map((mark) => svg("text", { y: y(mark) + 4, "text-anchor": "end" }, format(mark)));
  root.append(...labels);
  const widest = Math.max(...labels.map((label) => label.getComputedTextLength()));
  const left = Math.ceil(widest) + 2 * LABEL_GAP;
  for (const label of labels) label.setAttribute("x", String(left - LABEL_GAP));
  for (const mark of marks) {
    const line = { x1: left, x2: width - MARGIN.right, y1: y(mark), y2: y(mark) };
    root.append(svg("line", { class: mark === 0 ? "grid axis" : "grid", ...line }));
  }
  return { y, left };
}
