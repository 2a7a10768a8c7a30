// The dashboard's views by the address's hash: `#keys` shows the keys. Without a script there is the API.

import { accountView } from "./account-view.tsx";
import { alertsView } from "./alerts-view.tsx";
import { sentenceOf } from "./api.ts";
import { batchesView } from "./batches-view.tsx";
import { FAULT, announce, find, h } from "./dom.ts";
import { keysView } from "./keys-view.tsx";
import { transactionsView } from "./transactions-view.tsx";
import { usageView } from "./usage-view.tsx";
import type { View } from "./view.ts";

const VIEWS: Readonly<Record<string, View>> = {
  usage: usageView,
  keys: keysView,
  transactions: transactionsView,
  alerts: alertsView,
  batches: batchesView,
  account: accountView,
};

/** Shows the view that the hash names. `isMove`: the visitor asked for it, so the focus goes there. */
async function show(isMove: boolean): Promise<void> {
  document.querySelector("#fault")?.remove();
  const name = Object.hasOwn(VIEWS, location.hash.slice(1)) ? location.hash.slice(1) : "usage";
  for (const section of document.querySelectorAll(".view")) section.toggleAttribute("hidden", section.id !== name);
  for (const link of document.querySelectorAll(".views a")) {
    if (link.getAttribute("href") === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const title = find(`#${name}-title`, HTMLElement);
  if (isMove) title.focus();
  document.title = `${title.textContent} · gigarouter embeddings`;
  const body = find(`#${name} .view-body`, HTMLElement);
  if (body.childElementCount === 0) body.replaceChildren(h("p", { class: "state" }, "Loading …"));
  try {
    await VIEWS[name]?.(body);
    announce(`${title.textContent}: loaded`);
  } catch (error) {
    body.replaceChildren(h("p", { class: "note warn", role: "alert" }, sentenceOf(error)));
  }
}

/** The payment provider sends people back here. */
function tellOfPayment(): void {
  const outcome = new URLSearchParams(location.search).get("top-up");
  if (outcome === null) return;
  const text =
    outcome === "done" ? "Thank you. The credit is there once the payment is confirmed." : "Nothing was paid.";
  find(".views", HTMLElement).after(h("p", { class: "note", role: "status" }, text));
}

/** What failed outside a dialog: above the view, until the next view is opened. */
function showFault(event: Event): void {
  if (!(event instanceof CustomEvent)) return;
  document.querySelector("#fault")?.remove();
  const note = h("p", { class: "note warn", id: "fault", role: "alert" }, sentenceOf(event.detail));
  find(".view:not([hidden]) .view-body", HTMLElement).before(note);
}

tellOfPayment();
addEventListener(FAULT, showFault);
addEventListener("hashchange", () => void show(true));
void show(false);
