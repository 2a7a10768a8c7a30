// Limits of the account, and who is told when spend nears them.

import { get } from "./api.ts";
import { h } from "./dom.ts";
import { formatCount, formatMoney } from "./format.ts";
import type { Account } from "./types.ts";
import type { View } from "./view.ts";

export const alertsView: View = async (body) => {
  const { limits } = await get<Account>("/v1/account");
  const rows: readonly (readonly [string, string])[] = [
    ["Requests a minute", formatCount(limits.requests_per_minute)],
    ["Tokens a minute", formatCount(limits.tokens_per_minute)],
    ["Spend a month", limits.monthly_nano_usd === null ? "no limit" : formatMoney(limits.monthly_nano_usd)],
  ];
  body.replaceChildren(
    h(
      "section",
      { class: "panel" },
      h("h3", {}, "Limits"),
      h(
        "dl",
        { class: "specs" },
        ...rows.map(([label, value]) => h("div", {}, h("dt", {}, label), h("dd", {}, value))),
      ),
    ),
  );
};
