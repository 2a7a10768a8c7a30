// What several views are made of.

import type { ComponentChildren, VNode } from "preact";
import { useState } from "preact/hooks";

interface PanelProps {
  readonly title: string;
  readonly isFull?: boolean | undefined;
  readonly children: ComponentChildren;
}

/** A card; `isFull`: as wide as the page. */
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
  /** So many of the last columns hold figures. */
  readonly figures?: number;
  /** A last column holds buttons. */
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

/** Scrolls on narrow screens, by the keyboard too. */
export function Scrollable({ label, isBare, children }: ScrollableProps): VNode {
  return (
    <div class={isBare === true ? "table-scroll bare" : "table-scroll"} tabindex={0} role="region" aria-label={label}>
      {children}
    </div>
  );
}

interface ActionProps {
  readonly name: string;
  /** What it acts on, for those who hear the button without its row. */
  readonly on: string;
  readonly isDangerous?: boolean | undefined;
  readonly onClick: () => void;
}

/** A button of a table's row. */
export function Action({ name, on, isDangerous, onClick }: ActionProps): VNode {
  return (
    <button
      type="button"
      class={isDangerous === true ? "quiet danger" : "quiet"}
      aria-label={`${name} ${on}`}
      onClick={onClick}
    >
      {name}
    </button>
  );
}

export function Badge({ status }: { readonly status: string }): VNode {
  return (
    <span class="badge" data-status={status}>
      {status.replaceAll("_", " ")}
    </span>
  );
}

/** Terms and what they are. */
export function Specs({ of }: { readonly of: readonly (readonly [term: string, value: ComponentChildren])[] }): VNode {
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
export function Tiles({ of }: { readonly of: readonly Tile[] }): VNode {
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
