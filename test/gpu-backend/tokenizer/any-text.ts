import * as fc from "fast-check";
import type { TokenizerLibrary } from "../../../gpu-backend/tokenizer/library.ts";

/** Strings that mix what splits words with what does not: letters of several scripts, marks, spaces, punctuation, emoji. */
export const anyText = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        "a",
        "word",
        "Été",
        " ",
        "  ",
        "\n",
        "\t",
        ".",
        ",",
        "...",
        "'s",
        "'",
        "’",
        "-",
        "(",
        "1",
        "42",
        "中文",
        "。",
        "\u0301",
        "e\u0301",
        "ﬁ",
        "한국",
        "\u1100\u1161\u11a8",
        "🙂",
        "👩‍🚀",
        "\ud800",
        "<|endoftext|>",
        "\u00a0",
        "\u3000",
        "ไทย",
        "_",
      ),
      fc.string({ unit: "grapheme", maxLength: 4 }),
    ),
    { maxLength: 60 },
  )
  .map((parts) => parts.join(""));

/** The ids of the pieces, one after the other. */
export async function inPieces(library: TokenizerLibrary, pieces: readonly string[]): Promise<number[]> {
  return (await Promise.all(pieces.map((piece, index) => library.encode(piece, index > 0)))).flat();
}
