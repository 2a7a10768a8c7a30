// Parts that several views use.

import type { ComponentChildren, VNode } from "preact";
import { useState } from "preact/hooks";

interface PanelProps {
  readonly title: string;
  readonly isFull?: boolean | undefined;
  readonly children: ComponentChildren;
}

/** A card. `isFull`: as wide as the page. */
export function Panel({ title, isFull, children }: PanelProps): VNode {
  return (
    <section class={isFull === true ? "panel full" : "panel"}>
      <h3>{title}</h3>
      {children}
    </section>
  );
}

interface TableProps {
  readonly label: string;
  readonly columns: readonly string[];
  /** How many of the last columns hold figures. */
  readonly figures?: number;
  /** Whether there is a last column of buttons. */
  readonly hasActions?: boolean;
  /** Rows. */
  readonly children: ComponentChildren;
}

export function Table({ label, columns, figures = 0, hasActions, children }: TableProps): VNode {
  return (
    <Scrollable label={`Table: ${label}`}>
      <table class="data" aria-label={label}>
        <thead>
          <tr>
            {columns.map((name, column) => (
              <th scope="col" class={column < columns.length - figures ? undefined : "num"}>
                {name}
              </th>
            ))}
            {hasActions === true && (
              <th scope="col">
                <span class="visually-hidden">Actions</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </Scrollable>
  );
}

interface ScrollableProps {
  readonly label: string;
  readonly isBare?: boolean;
  readonly children: ComponentChildren;
}

/** Scrolls on narrow screens, also by keyboard. */
export function Scrollable({ label, isBare, children }: ScrollableProps): VNode {
  return (
    <div class={isBare === true ? "table-scroll bare" : "table-scroll"} tabindex={0} role="region" aria-label={label}>
      {children}
    </div>
  );
}

/** A button. A failure of `act` is shown above the view (dashboard.tsx). */
export function button(label: string, act: () => void | Promise<void>, kind?: "primary" | "danger"): VNode {
  return (
    <button type="button" class={kind} onClick={() => void act()}>
      {label}
    </button>
  );
}

/** A button in a table row. `on` names the row for those who hear the button alone. */
export function action(name: string, on: string, act: () => void | Promise<void>, kind?: "danger"): VNode {
  return (
    <button
      type="button"
      class={kind === undefined ? "quiet" : `quiet ${kind}`}
      aria-label={`${name} ${on}`}
      onClick={() => void act()}
    >
      {name}
    </button>
  );
}

export function badge(status: string): VNode {
  return (
    <span class="badge" data-status={status}>
      {status.replaceAll("_", " ")}
    </span>
  );
}

export type Spec = readonly [term: string, value: ComponentChildren];

export function specs(of: readonly Spec[]): VNode {
  return (
    <dl class="specs">
      {of.map(([term, value]) => (
        <div>
          <dt>{term}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export type Tile = readonly [label: string, value: string, detail: string];

/** Figures in large type. */
export function tiles(of: readonly Tile[]): VNode {
  return (
    <dl class="tiles">
      {of.map(([label, value, detail]) => (
        <div>
          <dt>{label}</dt>
          <dd>
            {value}
            <small>{detail}</small>
          </dd>
        </div>
      ))}
    </dl>
  );
}

export function CopyButton({ text }: { readonly text: string }): VNode {
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <button type="button" onClick={() => void copy()} onBlur={() => setCopied(false)}>
      {isCopied ? "Copied" : "Copy"}
    </button>
  );
}
