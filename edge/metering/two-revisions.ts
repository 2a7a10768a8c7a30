// A call whose texts are computed in two revisions of a model: one result, of which both halves or nothing are charged.

import type { Cancel } from "../lib/cancel.ts";
import type { EmbedTexts, EmbedTextsRequest, EmbedTextsResult, StartedTexts } from "../embedding/types.ts";
import { assert } from "../../shared/assert.ts";

/** How the second half of a call's texts differs from the first. */
export type SecondHalf = Pick<EmbedTextsRequest, "revision" | "prefix" | "prompts">;

/**
 * One after the other, so that no more connections are open than for any call. The caller's `request` must leave the cache
 * alone: there is nothing to keep.
 */
export function startHalves(
  embedTexts: EmbedTexts,
  request: EmbedTextsRequest,
  second: SecondHalf,
  stop: Cancel,
): StartedTexts {
  assert(request.noStore, "a call of two revisions leaves the cache alone");
  const half = request.texts.length / 2;
  const halves = [
    embedTexts.start({ ...request, texts: request.texts.slice(0, half) }),
    embedTexts.start({ ...request, ...second, texts: request.texts.slice(half) }),
  ];
  const finish: StartedTexts["finish"] = async (cacheMode) => {
    const results: EmbedTextsResult[] = [];
    try {
      for (const one of halves) results.push(await one.finish(cacheMode));
    } catch (error) {
      stop.abort();
      throw error;
    }
    const [first] = results;
    assert(first !== undefined, "there are two halves");
    assert(
      results.every(({ dimensions }) => dimensions === first.dimensions),
      "vectors of both revisions have one length",
    );
    return { ...first, texts: results.flatMap(({ texts }) => texts) };
  };
  return { finish, keep: () => undefined };
}
