// One batch of token ids → the graph's inputs. Tokens are packed one text after the other; pad_idx and unpad_idx lead
// to the padded form that attention alone needs and back.

import { assert } from "../../shared/assert.ts";

export interface BatchInputs {
  readonly tokens: number;
  readonly texts: number;
  readonly longest: number;
  /** [tokens] */
  readonly inputIds: BigInt64Array;
  /** [texts, longest]: packed position of each padded place. Padding repeats the text's last token: finite, never read. */
  readonly padIdx: BigInt64Array;
  /** [tokens]: padded place of each packed token. */
  readonly unpadIdx: BigInt64Array;
  /** [texts]: packed position of each text's last token. */
  readonly lastIdx: BigInt64Array;
  /** [texts]: length minus one. */
  readonly seqlensK: Int32Array;
}

/** Packs texts of one token or more each. */
export function packBatch(texts: readonly Int32Array[]): BatchInputs {
  const tokens = texts.reduce((sum, text) => sum + text.length, 0);
  const longest = texts.reduce((peak, text) => Math.max(peak, text.length), 0);
  const inputIds = new BigInt64Array(tokens);
  const padIdx = new BigInt64Array(texts.length * longest);
  const unpadIdx = new BigInt64Array(tokens);
  const lastIdx = new BigInt64Array(texts.length);
  const seqlensK = new Int32Array(texts.length);
  const [ids, pads, unpads, lasts] = [lowWords(inputIds), lowWords(padIdx), lowWords(unpadIdx), lowWords(lastIdx)];
  let start = 0;
  for (const [row, text] of texts.entries()) {
    assert(text.length > 0, "a text has at least its ending token");
    for (let position = 0; position < longest; position += 1) {
      const place = row * longest + position;
      pads[place * 2] = start + Math.min(position, text.length - 1);
      if (position >= text.length) continue;
      ids[(start + position) * 2] = text[position] ?? 0;
      unpads[(start + position) * 2] = place;
    }
    start += text.length;
    lasts[row * 2] = start - 1;
    seqlensK[row] = text.length - 1;
  }
  return { tokens, texts: texts.length, longest, inputIds, padIdx, unpadIdx, lastIdx, seqlensK };
}

/** Every value here is a non-negative int32: writing the low words of zeroed int64s avoids a BigInt per token. */
function lowWords(values: BigInt64Array): Int32Array {
  return new Int32Array(values.buffer);
}
