// Shows the quote and decides whether the job may begin.

import type { Options } from "./options.ts";
import { counted, lasting, many } from "./progress.ts";
import type { Quote } from "./quote.ts";
import type { Scan } from "./scan.ts";
import type { Account, Bounds } from "./service.ts";
import { Stop } from "./stop.ts";
import { formatUsd, nanoUsd } from "../../shared/money.ts";

export interface Offer {
  readonly options: Options;
  readonly bounds: Bounds;
  readonly scan: Scan;
  readonly quote: Quote;
  readonly account: Account;
  /** Nano-USD of earlier runs. */
  readonly spent: number;
}

const PRICE = { batch: "the batch price", interactive: "the interactive price" };

export function quoteLines({ options, bounds, scan, quote, account, spent }: Offer): readonly string[] {
  const texts = scan.fresh - quote.refused;
  const cost = `$${formatUsd(bounds.cost(quote.tokens))}`;
  const most = `$${formatUsd(bounds.cost(quote.tokensMax))}`;
  const { spendable_nano_usd: credit, limits } = account;
  const minutes = Math.max(quote.tokens / limits.tokens_per_minute, 0);
  const short =
    bounds.cost(quote.tokens) > credit ? ", which is less: the job will stop there and can go on later" : "";
  return [
    quote.kind === "whole"
      ? `To embed: ${many(texts, "text")}, ${counted(quote.tokens)} tokens (all counted): ${cost} at ${PRICE[options.tier]}, less where the API has some in its cache.`
      : `To embed: ${many(texts, "text")}, about ${counted(quote.tokens)} tokens: about ${cost} at ${PRICE[options.tier]}, never over ${most}. ${counted(quote.countedTexts)} texts were counted (${counted(quote.countedTokens)} tokens); the rest is estimated from them.`,
    `Credit: $${formatUsd(nanoUsd(credit))}${short}.${spent > 0 ? ` This job has cost $${formatUsd(nanoUsd(spent))} so far.` : ""}`,
    ...(minutes > 1
      ? [
          `The account's limit of ${counted(limits.tokens_per_minute)} tokens a minute makes it at least ${lasting(60 * (minutes - 1))}.`,
        ]
      : []),
  ];
}

/** Throws Stop unless the job may begin. `ask` is undefined where nobody can be asked. */
export async function consent(
  { options, bounds, scan, quote, spent }: Offer,
  ask: ((question: string) => Promise<boolean>) | undefined,
): Promise<void> {
  const { maxCost, yes } = options;
  const cost = bounds.cost(quote.tokens);
  if (yes) return;
  if (maxCost !== undefined && spent + cost > maxCost) {
    throw new Stop(
      `That is over --max-cost $${formatUsd(maxCost)}${spent > 0 ? ", which counts earlier runs too" : ""}. Nothing was sent. Raise it, or add --yes to embed as much as it pays for.`,
    );
  }
  if (ask !== undefined) {
    const about = quote.kind === "whole" ? "for" : "for about";
    const isAgreed = await ask(
      `Embed ${many(scan.fresh - quote.refused, "text")} ${about} $${formatUsd(cost)}? [y/N] `,
    );
    if (!isAgreed) throw new Stop("Nothing was sent.");
    return;
  }
  if (maxCost === undefined)
    throw new Stop("Nothing was sent: there is no terminal to ask on; add --yes, or --max-cost USD.");
}
