// What a slice costs at most, counted exactly: asked for only when the credit does not cover the bound that costs nothing
// to know.

import { costBound } from "../models/pricing.ts";
import { must } from "../../shared/assert.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { nanoUsd } from "../../shared/money.ts";
import { inGroups } from "./slice-groups.ts";
import type { PreparedSlice, RunnableLine } from "./slice-prepare.ts";
import type { SliceScope } from "./slice-scope.ts";
import { pricesOf, sliceCall } from "./slice-scope.ts";

/** All texts as misses. Throws ApiError for what may pass. */
export async function exactBound(slice: PreparedSlice, scope: SliceScope): Promise<NanoUsd> {
  let cost = 0;
  await inGroups(slice.runnable, {
    call: (lines) => countTokens(lines, scope),
    done(lines, tokens) {
      let from = 0;
      for (const { prepared } of lines) {
        const to = from + prepared.texts.length;
        const own = tokens.slice(from, to).reduce((sum, count) => sum + count, 0);
        cost += costBound(pricesOf(scope.order, prepared.model.id), own);
        from = to;
      }
    },
    // A text that cannot be counted will fail, and cost nothing.
    failed: () => undefined,
  });
  return nanoUsd(cost);
}

async function countTokens(lines: readonly RunnableLine[], scope: SliceScope): Promise<readonly number[]> {
  const { order, services } = scope;
  const { model, prefix, truncate } = must(lines[0], "a group has a line").prepared;
  const texts = lines.flatMap(({ prepared }) => prepared.texts);
  const counted = await services.pool.tokenize(
    { model: model.id, tier: "batch", accountId: order.accountId, truncate, prefix, texts },
    sliceCall(scope),
  );
  return counted.tokens;
}
