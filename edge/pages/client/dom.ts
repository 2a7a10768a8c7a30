// What scripts find in the Worker's templates.

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
