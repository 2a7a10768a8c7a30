// Elements of the Worker's templates, for scripts.

/** The template's element for `selector`; a missing one is our mistake. */
export function find<Kind extends Element>(
  selector: string,
  kind: new () => Kind,
  within: ParentNode = document,
): Kind {
  const element = within.querySelector(selector);
  if (element instanceof kind) return element;
  throw new Error(`the page has no ${selector}`);
}

/** Shows `text` in the page's element for `selector`; an empty text hides it. */
export function say(selector: string, text: string): void {
  const element = find(selector, HTMLElement);
  element.textContent = text;
  element.hidden = text === "";
}

/** Announces `text` to screen readers. */
export function announce(text: string): void {
  say("#announcer", text);
}
