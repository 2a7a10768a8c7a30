// Identical texts of one request, found before anything is hashed or sent. Pure.

import { utf8Length } from "../../shared/token-bound.ts";
import type { CallText } from "../lib/call-text.ts";

/** The distinct texts of a request, in order of first appearance. */
export interface Distinct {
  readonly texts: readonly CallText[];
  /** Per distinct text: where it first stood in the request. */
  readonly first: readonly number[];
  /** Per text of the request: which distinct text it is. */
  readonly of: readonly number[];
}

export function distinctTexts(texts: readonly CallText[]): Distinct {
  if (texts.length === 1) return { texts, first: [0], of: [0] };
  // Ids under a character that stands in no text which is well formed, so that no text is copied for its kind's sake.
  const places = new Map<string, number>();
  const unique: CallText[] = [];
  const first: number[] = [];
  const of = texts.map((text, index) => {
    const identity = text.kind === "text" ? text.text : `\ud800${text.ids.join(",")}`;
    const known = places.get(identity);
    if (known !== undefined) return known;
    places.set(identity, unique.length);
    unique.push(text);
    first.push(index);
    return unique.length - 1;
  });
  return { texts: unique, first, of };
}

/** Bytes of English per token, about. Money never depends on it: it only decides which cache tiers a text may ask. */
const BYTES_PER_TOKEN = 4;

/** About how many tokens the model will read for each of `texts` behind `prefix`. */
export function tokensAbout(texts: readonly CallText[], prefix: string): readonly number[] {
  const before = utf8Length(prefix);
  return texts.map((text) =>
    text.kind === "ids" ? text.ids.length + 1 : Math.ceil((before + utf8Length(text.text)) / BYTES_PER_TOKEN) + 1,
  );
}
