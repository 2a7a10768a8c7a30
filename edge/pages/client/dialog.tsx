// Dialogs: the browser's own <dialog> (focus stays inside, Escape closes), with a form that shows what went wrong.

import type { ComponentChildren, TargetedSubmitEvent, VNode } from "preact";
import { render } from "preact";
import { useState } from "preact/hooks";
import { sentenceOf } from "./api.ts";
import { announce } from "./dom.ts";
import { CopyButton, button } from "./parts.tsx";
import { refresh } from "./view.tsx";

interface FormDialog {
  readonly title: string;
  readonly fields: ComponentChildren;
  readonly submit: string;
  readonly isDangerous?: boolean;
  /** Throws the error that the dialog should show; otherwise the dialog closes. */
  readonly onSubmit: (data: FormData) => Promise<unknown>;
  /** What changed, for screen readers; the view is refreshed. Undefined: the page is left. */
  readonly done?: string;
}

export function openForm(form: FormDialog): void {
  open(form.title, (close) => <Form {...form} close={close} />);
}

function Form({
  title,
  fields,
  submit,
  isDangerous,
  onSubmit,
  done,
  close,
}: FormDialog & { readonly close: () => void }): VNode {
  const [fault, setFault] = useState("");
  const [isSending, setSending] = useState(false);
  const send = async (event: TargetedSubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    setSending(true);
    try {
      await onSubmit(new FormData(event.currentTarget));
    } catch (error) {
      setFault(sentenceOf(error));
      setSending(false);
      return;
    }
    try {
      if (done !== undefined) await refresh();
    } finally {
      close();
    }
    announce(done ?? "");
  };
  return (
    <form onSubmit={(event) => void send(event)}>
      <h2>{title}</h2>
      {fields}
      <p class="fault" role="alert" hidden={fault === ""}>
        {fault}
      </p>
      <p class="actions">
        <button type="submit" class={isDangerous === true ? "danger" : "primary"} disabled={isSending}>
          {submit}
        </button>
        {button("Cancel", close)}
      </p>
    </form>
  );
}

/** Closes only by its button, so that a stray Escape does not lose what is shown once. */
export function openNotice(title: string, content: ComponentChildren): void {
  const dialog = open(title, (close) => (
    <>
      <h2>{title}</h2>
      {content}
      <p class="actions">{button("Done", close, "primary")}</p>
    </>
  ));
  dialog.addEventListener("cancel", (event) => event.preventDefault());
}

/** Shows `secret`, this once. `label` names it, `note` says more. */
export function openSecret(title: string, label: string, secret: string, note: string): void {
  openNotice(
    title,
    <>
      <p>{note}</p>
      <p class="secret">
        <input readonly value={secret} aria-label={label} onFocus={(event) => event.currentTarget.select()} />
        <CopyButton text={secret} />
      </p>
    </>,
  );
}

function open(title: string, content: (close: () => void) => VNode): HTMLDialogElement {
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-label", title);
  const close = () => {
    dialog.close();
    // At once, so that the secret is gone from the page.
    dialog.remove();
    keepFocus();
  };
  dialog.addEventListener("close", () => dialog.remove());
  render(content(close), dialog);
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** The button that opened a dialog may be gone with its row: then the view's title gets the focus. */
function keepFocus(): void {
  const title = document.querySelector(".view:not([hidden]) h2");
  if (document.activeElement === document.body && title instanceof HTMLElement) title.focus();
}
