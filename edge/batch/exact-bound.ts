// The most that a slice can cost, with its tokens counted exactly. Used only when the credit does not cover the bound
// that needs no tokenizer.

import { costBound } from "../models/pricing.ts";
import { must } from "../../shared/assert.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { nanoUsd } from "../../shared/money.ts";
import { inGroups, splitByLine } from "./slice-groups.ts";
import type { PreparedSlice } from "./slice-prepare.ts";
import type { SliceScope } from "./slice-scope.ts";
import { countTokens, pricesOf } from "./slice-scope.ts";

/** Counts every text as a cache miss. Throws ApiError for a fault that is worth a retry. */
export async function exactBound(slice: PreparedSlice, scope: SliceScope): Promise<NanoUsd> {
  let cost = 0;
  await inGroups(slice.runnable, {
    call(lines) {
      const terms = must(lines[0], "a group has a line").prepared;
      const texts = lines.flatMap(({ prepared }) => prepared.texts);
      return countTokens({ ...terms, texts }, scope);
    },
    done(lines, tokens) {
      for (const [{ prepared }, own] of splitByLine(lines, tokens)) {
        const sum = own.reduce((total, count) => total + count, 0);
        cost += costBound(pricesOf(scope.order, prepared.model.id), sum);
      }
    },
    // A text that cannot be counted will fail and cost nothing.
    failed: () => undefined,
  });
  return nanoUsd(cost);
}
