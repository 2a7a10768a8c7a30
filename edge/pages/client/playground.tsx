// The playground: one call for all texts, everything else is computed here from the full vectors. A visitor who is not
// signed in sees the request that would be sent, and a stored answer to the texts that stand there.

import { sentenceOf } from "./api.ts";
import { find, h, scrollable, svg } from "./dom.ts";
import { formatMoney, formatMs } from "./format.ts";
import { answerText, askOf, embed, requestText, sampleRun } from "./playground-call.ts";
import type { Run } from "./playground-call.ts";
import { SAMPLE } from "./sample-answer.ts";
import { mrlCost, prefix, principalMap, similarities } from "./vectors.ts";
import type { Vector } from "./vectors.ts";

const LABEL_LENGTH = 34;
const MAP_SIZE = { width: 560, height: 400, pad: 44 } as const;
const LABEL_HEIGHT = 13;
const BYTES_PER_FLOAT = 4;

const form = find("#embed", HTMLFormElement);
const fault = find("#fault", HTMLElement);
const results = find("#results", HTMLElement);
const request = find("#request code", HTMLElement);
const isSignedIn = form.dataset["signedIn"] === "true";
form.addEventListener("submit", (event) => {
  event.preventDefault();
  void run();
});
form.addEventListener("input", showRequest);
showRequest();
if (!isSignedIn) showSample();

function showRequest(): void {
  request.textContent = requestText(askOf(form));
}

function showSample(): void {
  const texts = find("textarea", HTMLTextAreaElement, form).defaultValue.trim().split("\n");
  const price = form.querySelector(`option[value="${SAMPLE.model}"]`)?.getAttribute("data-price");
  show(sampleRun(texts, Number(price ?? 0)));
}

async function run(): Promise<void> {
  const button = find("button", HTMLButtonElement, form);
  fault.hidden = true;
  if (!isSignedIn) {
    fault.textContent = "Sign in (Dashboard) to send this request. Below stands a sample answer.";
    fault.hidden = false;
    return;
  }
  button.disabled = true;
  try {
    show(await embed(askOf(form)));
  } catch (error) {
    fault.textContent = sentenceOf(error);
    fault.hidden = false;
  } finally {
    button.disabled = false;
  }
}

function show(made: Run): void {
  const native = made.vectors[0]?.length ?? 0;
  const cost = h("p", { class: "readout", role: "status" });
  const [heat, map] = [h("div"), h("div")];
  const chosen = h("output", { for: "dimensions" });
  const slider = h("input", {
    id: "dimensions",
    type: "range",
    min: 1,
    max: native,
    step: 1,
    value: native,
    oninput: draw,
  });
  results.replaceChildren(
    ...(made.elapsedMs === undefined
      ? [
          h("h2", {}, "A sample answer"),
          h("p", { class: "muted" }, "What the demo model answered to the seven texts that this page begins with."),
        ]
      : [h("h2", {}, "Result")]),
    figures(made),
    h("div", { class: "slider" }, h("label", { for: "dimensions" }, "Dimensions: ", chosen), slider, cost),
    h(
      "div",
      { class: "panels" },
      h("section", { class: "panel" }, h("h3", {}, "Similarity of each pair"), heat),
      h(
        "section",
        { class: "panel" },
        h("h3", {}, "Map"),
        h("p", { class: "muted small" }, "The two directions in which these texts differ most."),
        map,
      ),
    ),
    h("h2", {}, "The answer, in short"),
    h(
      "div",
      { class: "code" },
      h("pre", { tabindex: 0, role: "region", "aria-label": "The answer as JSON" }, h("code", {}, answerText(made))),
    ),
  );
  results.hidden = false;
  const full = similarities(made.vectors);
  draw();

  function draw(): void {
    const dimensions = slider.valueAsNumber;
    const cut = made.vectors.map((vector) => prefix(vector, dimensions));
    const now = similarities(cut);
    const { meanChange, maxChange, sameNearest } = mrlCost(full, now);
    chosen.textContent = `${dimensions} of ${native}, ${(dimensions * BYTES_PER_FLOAT).toLocaleString("en-US")} bytes a vector`;
    cost.textContent =
      dimensions === native
        ? "Full vectors. Move the slider to see what fewer dimensions change."
        : `Similarities change by ${meanChange.toFixed(3)} on average, ${maxChange.toFixed(3)} at most; ${sameNearest} of ${made.texts.length} texts keep their nearest neighbour.`;
    heat.replaceChildren(heatMap(made.texts, now));
    map.replaceChildren(drawMap(made.texts, cut));
  }
}

function figures(made: Run): HTMLElement {
  const timings = new Map(
    (made.serverTiming ?? "").split(",").flatMap((part) => {
      const match = /^\s*(\w+);dur=([\d.]+)/.exec(part);
      return match?.[1] === undefined ? [] : [[match[1], Number(match[2])] as const];
    }),
  );
  const server = [...timings].map(([stage, ms]) => `${stage} ${formatMs(ms)}`).join(", ");
  const entries: readonly (readonly [string, string, string])[] = [
    ["Texts", String(made.texts.length), `${made.vectors[0]?.length ?? 0} dimensions`],
    ["Tokens", made.tokens.toLocaleString("en-US"), `${made.cachedTokens.toLocaleString("en-US")} from the cache`],
    ["Price", formatMoney(made.costNanoUsd), "for this call"],
    ...(made.elapsedMs === undefined
      ? []
      : [["Time", formatMs(made.elapsedMs), server === "" ? "from here and back" : server] as const]),
  ];
  return h(
    "dl",
    { class: "tiles" },
    ...entries.map(([label, value, detail]) =>
      h("div", {}, h("dt", {}, label), h("dd", {}, value, h("small", {}, detail))),
    ),
  );
}

/** Columns are numbered as the rows are, so that long texts stand once. */
function heatMap(texts: readonly string[], matrix: readonly (readonly number[])[]): HTMLElement {
  const head = h("tr", {}, h("td"), ...texts.map((_, place) => h("th", { scope: "col" }, place + 1)));
  const rows = texts.map((text, a) =>
    h(
      "tr",
      {},
      h("th", { scope: "row", title: text }, `${a + 1} ${short(text)}`),
      ...(matrix[a] ?? []).map((value, b) => cell(value, `${short(text)} × ${short(texts[b] ?? "")}`)),
    ),
  );
  const table = h("table", { class: "heat" }, h("thead", {}, head), h("tbody", {}, ...rows));
  return scrollable("Similarities", table, "table-scroll bare");
}

function cell(value: number, title: string): HTMLTableCellElement {
  const share = Math.round(Math.max(0, Math.min(1, value)) * 100);
  const element = h("td", { title }, value.toFixed(2));
  element.style.setProperty("--share", String(share));
  return element;
}

function drawMap(texts: readonly string[], vectors: readonly Vector[]): SVGSVGElement {
  const points = principalMap(vectors);
  const { width, height, pad } = MAP_SIZE;
  // One scale for both axes: distances mean the same in each direction.
  const reach = Math.max(1e-6, ...points.flatMap(({ x, y }) => [Math.abs(x), Math.abs(y)]));
  const scale = Math.min(width, height) / 2 - pad;
  const root = svg("svg", {
    class: "chart map",
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label": `Map of ${texts.length} texts`,
  });
  root.append(
    svg("line", { class: "grid", x1: 0, x2: width, y1: height / 2, y2: height / 2 }),
    svg("line", { class: "grid", x1: width / 2, x2: width / 2, y1: 0, y2: height }),
  );
  const placed = points.map(({ x, y }, place) => ({
    number: String(place + 1),
    label: short(texts[place] ?? ""),
    cx: width / 2 + (x / reach) * scale,
    cy: height / 2 - (y / reach) * scale,
  }));
  let lastY = Number.NEGATIVE_INFINITY;
  for (const { number, label, cx, cy } of placed.toSorted((a, b) => a.cy - b.cy)) {
    // Labels of near neighbours move down, so that each can be read; the number says whose it is.
    lastY = Math.max(cy + 4, lastY + LABEL_HEIGHT);
    const isRight = cx > width / 2;
    root.append(
      svg("circle", { class: "fill-1", cx, cy, r: 8 }),
      svg("text", { class: "number", x: cx, y: cy + 3.5, "text-anchor": "middle" }, number),
      svg(
        "text",
        { x: cx + (isRight ? -13 : 13), y: lastY, "text-anchor": isRight ? "end" : "start" },
        `${number} ${label}`,
      ),
    );
  }
  return root;
}

function short(text: string): string {
  return text.length <= LABEL_LENGTH ? text : `${text.slice(0, LABEL_LENGTH - 1)}…`;
}
