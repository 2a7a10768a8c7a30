// The ledger, newest first, a page at a time.

import { get } from "./api.ts";
import { h, scrollable } from "./dom.ts";
import { formatMoney, formatTime } from "./format.ts";
import type { List, Transaction } from "./types.ts";
import type { View } from "./view.ts";

const PAGE = 50;

export const transactionsView: View = async (body) => {
  const rows = h("tbody");
  const more = h("button", { type: "button", onclick: load }, "Show older");
  let next: string | undefined;
  await load();
  if (rows.childElementCount === 0) {
    body.replaceChildren(h("p", { class: "state" }, "No transactions yet: a grant or a top-up is the first."));
    return;
  }
  body.replaceChildren(
    h("p", { class: "muted" }, "Charges are one line per hour, key and model. The balance is after the line."),
    scrollable("Transactions", table(rows)),
    h("p", { class: "actions" }, more),
  );

  async function load(): Promise<void> {
    const page = await get<List<Transaction>>(
      `/v1/transactions?limit=${PAGE}${next === undefined ? "" : `&page=${next}`}`,
    );
    rows.append(...page.data.map(row));
    next = page.next_page ?? undefined;
    more.hidden = next === undefined;
  }
};

function table(rows: HTMLTableSectionElement): HTMLTableElement {
  const head = h(
    "tr",
    {},
    h("th", { scope: "col" }, "Time"),
    h("th", { scope: "col" }, "Kind"),
    h("th", { scope: "col" }, "Description"),
    h("th", { scope: "col", class: "num" }, "Amount"),
    h("th", { scope: "col", class: "num" }, "Balance"),
  );
  return h("table", { class: "data" }, h("thead", {}, head), rows);
}

function row(line: Transaction): HTMLTableRowElement {
  return h(
    "tr",
    {},
    h("td", { class: "nowrap" }, formatTime(line.at)),
    h("td", {}, line.kind.replaceAll("_", " ")),
    h("td", {}, line.description),
    h("td", { class: "num" }, formatMoney(line.amount_nano_usd)),
    h("td", { class: "num" }, formatMoney(line.balance_after_nano_usd)),
  );
}
