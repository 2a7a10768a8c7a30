// The distinct texts of a request, so that a text that occurs twice is hashed, looked up and sent once. Pure.

import type { CallText } from "../lib/call-text.ts";
import { tokensAbout } from "../lib/call-text.ts";

/** The distinct texts of a request, in order of first appearance. */
export interface Distinct {
  readonly texts: readonly CallText[];
  /** Per distinct text: its first position in the request. */
  readonly first: readonly number[];
  /** Per text of the request: the index of its distinct text. */
  readonly of: readonly number[];
}

export function distinctTexts(texts: readonly CallText[]): Distinct {
  if (texts.length === 1) return { texts, first: [0], of: [0] };
  // Ids are told from texts by a lone surrogate, which no well-formed text contains; so no text is copied to mark its
  // kind.
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

/** An estimate of the tokens that the model reads for each of `texts`, each together with `prefix`. */
export function estimatesOf(texts: readonly CallText[], prefix: string): readonly number[] {
  const before = tokensAbout(prefix);
  return texts.map((text) =>
    text.kind === "ids" ? text.ids.length + 1 : Math.ceil(before + tokensAbout(text.text)) + 1,
  );
}
