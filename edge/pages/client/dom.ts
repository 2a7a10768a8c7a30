// Making elements without a framework. Text is always text: nothing here parses markup.

export type Child = Node | string | number | undefined | false;

/** Attributes; a function is a listener (`onclick`), `true` an attribute without a value, undefined and false: none. */
export type Attributes = Readonly<
  Record<string, string | number | boolean | ((event: Event) => void | Promise<void>) | undefined>
>;

/** `h("a", {href: "/"}, "Home")`. */
export function h<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  fill(element, attributes, children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** The same for SVG. */
export function svg<Name extends keyof SVGElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[Name] {
  const element = document.createElementNS(SVG, name);
  fill(element, attributes, children);
  return element;
}

function fill(element: Element, attributes: Attributes, children: readonly Child[]): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), (event) => void run(value, event));
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) {
    if (child !== undefined && child !== false) element.append(typeof child === "number" ? String(child) : child);
  }
}

/** A listener's failure is dispatched as FAULT, because no code awaits a listener. */
export const FAULT = "page-fault";

async function run(listener: (event: Event) => void | Promise<void>, event: Event): Promise<void> {
  try {
    await listener(event);
  } catch (error) {
    dispatchEvent(new CustomEvent(FAULT, { detail: error }));
  }
}

/** The element that the page's template holds under `selector`; a missing one is our mistake. */
export function find<Kind extends Element>(
  selector: string,
  kind: new () => Kind,
  within: ParentNode = document,
): Kind {
  const element = within.querySelector(selector);
  if (element instanceof kind) return element;
  throw new Error(`the page has no ${selector}`);
}

/** A table that scrolls on narrow screens, by the keyboard too. `label` names what it lists. */
export function scrollable(what: string, table: HTMLTableElement, kind = "table-scroll"): HTMLElement {
  return h("div", { class: kind, tabindex: 0, role: "region", "aria-label": `Table: ${what}` }, table);
}

/** Shows `text` in the element that the page keeps for it under `selector`; an empty text hides it. */
export function say(selector: string, text: string): void {
  const element = find(selector, HTMLElement);
  element.textContent = text;
  element.hidden = text === "";
}

/** Says `text` to screen readers. */
export function announce(text: string): void {
  say("#announcer", text);
}

/** A button that copies what `text` returns and says so. */
export function copyButton(text: () => string, label = "Copy"): HTMLButtonElement {
  const button = h("button", { type: "button", onclick: copy }, label);
  return button;

  async function copy(): Promise<void> {
    await navigator.clipboard.writeText(text());
    button.textContent = "Copied";
    button.addEventListener("blur", () => (button.textContent = label), { once: true });
  }
}
