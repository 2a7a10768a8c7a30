// The statement, newest first, a page at a time.

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { get } from "./api.ts";
import { formatMoney, formatTime } from "./format.ts";
import { Table, button } from "./parts.tsx";
import type { List, Transaction } from "./types.ts";
import type { View } from "./view.tsx";

const PAGE = 50;

export const transactionsView: View = async () => {
  const first = await load();
  return first.data.length === 0 ? (
    <p class="state">No transactions yet: a grant or a top-up is the first.</p>
  ) : (
    <Transactions first={first} />
  );
};

function load(page?: string): Promise<List<Transaction>> {
  return get(`/v1/transactions?limit=${PAGE}${page === undefined ? "" : `&page=${page}`}`);
}

function Transactions({ first }: { readonly first: List<Transaction> }): VNode {
  const [pages, setPages] = useState([first]);
  const next = pages.at(-1)?.next_page ?? undefined;
  const showOlder = async () => {
    const older = await load(next);
    setPages([...pages, older]);
  };
  return (
    <>
      <p class="muted">Charges are one line per hour, key and model. The balance is after the line.</p>
      <Table label="Transactions" columns={["Time", "Kind", "Description", "Amount", "Balance"]} figures={2}>
        {pages.flatMap(({ data }) => data).map(row)}
      </Table>
      {next !== undefined && <p class="actions">{button("Show older", showOlder)}</p>}
    </>
  );
}

function row(line: Transaction): VNode {
  return (
    <tr>
      <td class="nowrap">{formatTime(line.at)}</td>
      <td>{line.kind.replaceAll("_", " ")}</td>
      <td>{line.description}</td>
      <td class="num">{formatMoney(line.amount_nano_usd)}</td>
      <td class="num">{formatMoney(line.balance_after_nano_usd)}</td>
    </tr>
  );
}
