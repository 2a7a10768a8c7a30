// The dashboard's views; one is open at a time.

import type { VNode } from "preact";
import { Fragment, render } from "preact";

/** Loads the view's content; throws the error to show in its place. */
export type View = () => Promise<VNode>;

let visits = 0;
let open: { readonly view: View; readonly body: HTMLElement; readonly visit: number } | undefined;

/** Opens `view` in `body`, in its initial state. */
export async function openView(view: View, body: HTMLElement): Promise<void> {
  visits += 1;
  open = { view, body, visit: visits };
  await refresh();
}

/** Loads and shows the open view again; typed text and focus stay. */
export async function refresh(): Promise<void> {
  const wanted = open;
  if (wanted === undefined) return;
  const content = await wanted.view();
  // Another view may be open by now.
  if (wanted === open) render(<Fragment key={wanted.visit}>{content}</Fragment>, wanted.body);
}
