// Shows the dashboard's views by the address's hash (`#keys`: the keys).

import { render } from "preact";
import { accountView } from "./account-view.tsx";
import { alertsView } from "./alerts-view.tsx";
import { sentenceOf } from "./api.ts";
import { batchesView } from "./batches-view.tsx";
import { announce, find, say } from "./dom.ts";
import { keysView } from "./keys-view.tsx";
import { transactionsView } from "./transactions-view.tsx";
import { usageView } from "./usage-view.tsx";
import { openView } from "./view.tsx";
import type { View } from "./view.tsx";

const VIEWS: Readonly<Record<string, View>> = {
  usage: usageView,
  keys: keysView,
  transactions: transactionsView,
  alerts: alertsView,
  batches: batchesView,
  account: accountView,
};

/** Shows the hash's view. `isMove`: the visitor went there, so it gets the focus. */
async function show(isMove: boolean): Promise<void> {
  say("#fault", "");
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
  if (body.childElementCount === 0) render(<p class="state">Loading …</p>, body);
  try {
    await openView(VIEWS[name] ?? usageView, body);
    announce(`${title.textContent}: loaded`);
  } catch (error) {
    render(
      <p class="note warn" role="alert">
        {sentenceOf(error)}
      </p>,
      body,
    );
  }
}

/** The payment provider sends visitors back here. */
function tellOfPayment(): void {
  const outcome = new URLSearchParams(location.search).get("top-up");
  if (outcome === null) return;
  say(
    "#payment",
    outcome === "done" ? "Thank you. The credit is there once the payment is confirmed." : "Nothing was paid.",
  );
}

/** Shows a failure in a listener, which no code awaits. */
function showFault(event: PromiseRejectionEvent): void {
  event.preventDefault();
  say("#fault", sentenceOf(event.reason));
}

tellOfPayment();
addEventListener("unhandledrejection", showFault);
addEventListener("hashchange", () => void show(true));
void show(false);
