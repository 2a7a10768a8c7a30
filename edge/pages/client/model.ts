// The estimate of a month's cost on a model's page: in whole nano-dollars, rounded as the ledger does for requests of one
// text.

import { find } from "./dom.ts";
import { costNanoUsd } from "../../../shared/money.ts";
import { formatMoney } from "./format.ts";

const form = document.querySelector("form.estimator");
if (form instanceof HTMLFormElement) {
  form.hidden = false;
  const update = (): void => {
    find("output", HTMLOutputElement, form).textContent = estimate(form);
  };
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  update();
}

function estimate(estimator: HTMLFormElement): string {
  const value = (name: string) => find(`[name=${name}]`, HTMLInputElement, estimator).valueAsNumber;
  const [texts, tokens, cached] = [value("texts"), value("tokens"), value("cached")];
  if (![texts, tokens, cached].every((number) => Number.isSafeInteger(number) && number >= 0) || cached > 100) {
    return "Whole numbers, please.";
  }
  const suffix = find("[name=batch]", HTMLInputElement, estimator).checked ? "batch" : "";
  const price = (isHit: boolean): number => {
    const name = suffix === "" ? (isHit ? "hit" : "price") : isHit ? "batchHit" : "batch";
    return Number(estimator.dataset[name]);
  };
  const minimum = Number(estimator.dataset["minimum"]);
  const one = (isHit: boolean) => costNanoUsd([{ tokens, priceNanoUsdPerMillion: price(isHit) }], minimum);
  const hits = Math.round((texts * cached) / 100);
  const total = hits * one(true) + (texts - hits) * one(false);
  const allTokens = texts * tokens;
  return `${formatMoney(total)} a month for ${allTokens.toLocaleString("en-US")} tokens`;
}
