// The result of a call: its figures, how similar the texts are, and what fewer dimensions change.

import type { VNode } from "preact";
import { useMemo, useState } from "preact/hooks";
import { formatMoney, formatMs } from "./format.ts";
import type { Tile } from "./parts.tsx";
import { Panel, Scrollable, tiles } from "./parts.tsx";
import { answerText } from "./playground-call.ts";
import type { Run } from "./playground-call.ts";
import { mrlCost, prefix, principalMap, similarities } from "./vectors.ts";
import type { Vector } from "./vectors.ts";

const LABEL_LENGTH = 34;
const MAP_SIZE = { width: 560, height: 400, pad: 44 } as const;
const LABEL_HEIGHT = 13;
const BYTES_PER_FLOAT = 4;

export function PlaygroundResult({ run }: { readonly run: Run }): VNode {
  const { texts, vectors } = run;
  const native = vectors[0]?.length ?? 0;
  const [dimensions, setDimensions] = useState(native);
  const full = useMemo(() => similarities(vectors), [vectors]);
  const cut = vectors.map((vector) => prefix(vector, dimensions));
  const now = similarities(cut);
  const { meanChange, maxChange, sameNearest } = mrlCost(full, now);
  return (
    <>
      {run.elapsedMs === undefined ? (
        <>
          <h2>A sample answer</h2>
          <p class="muted">The demo model’s answer to the seven texts of this page.</p>
        </>
      ) : (
        <h2>Result</h2>
      )}
      {tiles(tilesOf(run))}
      <div class="slider">
        <label for="dimensions">
          Dimensions:{" "}
          <output for="dimensions">
            {`${dimensions} of ${native}, ${(dimensions * BYTES_PER_FLOAT).toLocaleString("en-US")} bytes a vector`}
          </output>
        </label>
        <input
          id="dimensions"
          type="range"
          min={1}
          max={native}
          step={1}
          value={dimensions}
          onInput={(event) => setDimensions(event.currentTarget.valueAsNumber)}
        />
        <p class="readout" role="status">
          {dimensions === native
            ? "Full vectors. Move the slider to see what fewer dimensions change."
            : `Similarities change by ${meanChange.toFixed(3)} on average, ${maxChange.toFixed(3)} at most; ${sameNearest} of ${texts.length} texts keep their nearest neighbour.`}
        </p>
      </div>
      <div class="panels">
        <Panel title="Similarity of each pair">{heatMap(texts, now)}</Panel>
        <Panel title="Map">
          <p class="muted small">The two directions in which these texts differ most.</p>
          {textMap(texts, cut)}
        </Panel>
      </div>
      <h2>The answer, in short</h2>
      <div class="code">
        <pre tabindex={0} role="region" aria-label="The answer as JSON">
          <code>{answerText(run)}</code>
        </pre>
      </div>
    </>
  );
}

function tilesOf({ texts, vectors, tokens, cachedTokens, costNanoUsd, elapsedMs, serverTiming }: Run): readonly Tile[] {
  const stages = (serverTiming ?? "").split(",").flatMap((part) => {
    const [, stage, ms] = /^\s*(\w+);dur=([\d.]+)/.exec(part) ?? [];
    return stage === undefined ? [] : [`${stage} ${formatMs(Number(ms))}`];
  });
  const always: readonly Tile[] = [
    ["Texts", String(texts.length), `${vectors[0]?.length ?? 0} dimensions`],
    ["Tokens", tokens.toLocaleString("en-US"), `${cachedTokens.toLocaleString("en-US")} from the cache`],
    ["Price", formatMoney(costNanoUsd), "for this call"],
  ];
  if (elapsedMs === undefined) return always;
  return [...always, ["Time", formatMs(elapsedMs), stages.join(", ") || "from here and back"]];
}

/** Columns have the rows' numbers, so that long texts appear once. */
function heatMap(texts: readonly string[], matrix: readonly (readonly number[])[]): VNode {
  return (
    <Scrollable label="Table: Similarities" isBare>
      <table class="heat">
        <thead>
          <tr>
            <td />
            {texts.map((_, place) => (
              <th scope="col">{place + 1}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {matrix.map((row, a) => (
            <tr>
              <th scope="row" title={texts[a]}>
                {`${a + 1} ${short(texts[a])}`}
              </th>
              {row.map((value, b) => (
                <td title={`${short(texts[a])} × ${short(texts[b])}`} style={{ "--share": percentOf(value) }}>
                  {value.toFixed(2)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scrollable>
  );
}

function percentOf(value: number): number {
  return Math.round(Math.max(0, Math.min(1, value)) * 100);
}

function textMap(texts: readonly string[], vectors: readonly Vector[]): VNode {
  const points = principalMap(vectors);
  const { width, height, pad } = MAP_SIZE;
  // Both axes have one scale, so that distances are comparable.
  const reach = Math.max(1e-6, ...points.flatMap(({ x, y }) => [Math.abs(x), Math.abs(y)]));
  const scale = (Math.min(width, height) / 2 - pad) / reach;
  const placed = points.map(({ x, y }, place) => ({
    number: place + 1,
    label: short(texts[place]),
    cx: width / 2 + x * scale,
    cy: height / 2 - y * scale,
  }));
  let lastY = Number.NEGATIVE_INFINITY;
  return (
    <svg class="chart map" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={`Map of ${texts.length} texts`}>
      <line class="grid" x1={0} x2={width} y1={height / 2} y2={height / 2} />
      <line class="grid" x1={width / 2} x2={width / 2} y1={0} y2={height} />
      {placed
        .toSorted((a, b) => a.cy - b.cy)
        .map(({ number, label, cx, cy }) => {
          // Labels of near neighbours move down, so that each can be read; the number tells which point it names.
          lastY = Math.max(cy + 4, lastY + LABEL_HEIGHT);
          const isRight = cx > width / 2;
          return (
            <>
              <circle fill="var(--s1)" cx={cx} cy={cy} r={8} />
              <text class="number" x={cx} y={cy + 3.5} text-anchor="middle">
                {number}
              </text>
              <text x={cx + (isRight ? -13 : 13)} y={lastY} text-anchor={isRight ? "end" : "start"}>
                {`${number} ${label}`}
              </text>
            </>
          );
        })}
    </svg>
  );
}

function short(text = ""): string {
  return text.length <= LABEL_LENGTH ? text : `${text.slice(0, LABEL_LENGTH - 1)}…`;
}
