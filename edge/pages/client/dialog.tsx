// Dialogs: the browser's own <dialog> (focus stays inside, Escape closes), with a form that shows what went wrong.

import { sentenceOf } from "./api.ts";
import type { Child } from "./dom.ts";
import { h } from "./dom.ts";

export interface FormDialog {
  readonly title: string;
  readonly fields: readonly Child[];
  readonly submit: string;
  readonly isDangerous?: boolean;
  /** Throws what should be shown; the dialog closes when it resolves. */
  readonly onSubmit: (data: FormData) => Promise<void>;
}

let nextId = 0;

/** Opens the dialog; it removes itself when it is closed, and the focus goes back to where it was. */
export function openForm({ title, fields, submit, isDangerous, onSubmit }: FormDialog): void {
  const id = `dialog-${(nextId += 1)}`;
  const fault = h("p", { class: "fault", role: "alert", hidden: true });
  const confirm = h("button", { type: "submit", class: isDangerous === true ? "danger" : "primary" }, submit);
  const form = h(
    "form",
    { onsubmit: send },
    h("h2", { id }, title),
    ...fields,
    fault,
    h("p", { class: "actions" }, confirm, h("button", { type: "button", onclick: end }, "Cancel")),
  );
  const dialog: HTMLDialogElement = h("dialog", { "aria-labelledby": id, onclose: () => dialog.remove() }, form);
  document.body.append(dialog);
  dialog.showModal();

  function end(): void {
    dialog.close();
    dialog.remove();
    keepFocus();
  }

  async function send(event: Event): Promise<void> {
    event.preventDefault();
    confirm.disabled = true;
    try {
      await onSubmit(new FormData(form));
      end();
    } catch (error) {
      fault.textContent = sentenceOf(error);
      fault.hidden = false;
    } finally {
      confirm.disabled = false;
    }
  }
}

/** What opened a dialog may be gone with the row it stood in: the view's title takes the focus then. */
function keepFocus(): void {
  const title = document.querySelector(".view:not([hidden]) h2");
  if (document.activeElement === document.body && title instanceof HTMLElement) title.focus();
}

/** Shows something once: a key, a secret. Closes by its button alone, so that a stray Escape loses nothing. */
export function openNotice(title: string, content: readonly Child[]): void {
  const id = `dialog-${(nextId += 1)}`;
  const dialog: HTMLDialogElement = h(
    "dialog",
    { "aria-labelledby": id, onclose: () => dialog.remove(), oncancel: (event) => event.preventDefault() },
    h("h2", { id }, title),
    ...content,
    h("p", { class: "actions" }, h("button", { type: "button", class: "primary", onclick: end }, "Done")),
  );
  document.body.append(dialog);
  dialog.showModal();

  /** At once: what was shown once is gone from the page. */
  function end(): void {
    dialog.close();
    dialog.remove();
    keepFocus();
  }
}

let nextField = 0;

/** A labelled input, with an optional line of help. */
export function field(label: string, input: HTMLInputElement | HTMLSelectElement, help?: string): HTMLElement {
  const id = `field-${(nextField += 1)}`;
  input.id = id;
  if (help !== undefined) input.setAttribute("aria-describedby", `${id}-help`);
  return h(
    "div",
    {},
    h("label", { for: id }, label),
    input,
    help !== undefined && h("span", { class: "hint muted", id: `${id}-help` }, help),
  );
}
