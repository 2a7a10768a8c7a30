// One batch of token ids → the graph's inputs. Tokens are packed one text after the other; pad_idx and unpad_idx lead
// to the padded form that attention alone needs and back.
//
// A text's vector must not depend on its neighbours, so every row of a product has to meet the same kernel. The CPU's
// MatMulNBits cuts a product into tiles of 128 rows, and a tile of one row has a kernel of its own, which sums in another
// order. No product therefore has a tile of one row: where it would, the last row is computed twice.
//
// Texts of one owner that begin alike (the pairs of one query: the prompt and the query stand first) may have one row for each
// token of that beginning, where a token sees nothing of what comes after it. Attention alone sees each text whole. Rows are the
// same bits shared or not, and products, most of the time, have fewer of them. Never across owners (scheduler/job.ts).

import { Tensor } from "onnxruntime-node";

import { assert, must } from "../../shared/assert.ts";
import { tokenOf, typeOf } from "../token-type.ts";
import { commonTokens, SHARED_TOKENS_MIN } from "./shared-rows.ts";

/** MLAS's StrideM in qnbitgemm.cpp. */
const TILE_ROWS = 128;

/** Whether a product of so many rows would end in a tile of one row. */
export function endsInSingleRow(rows: number): boolean {
  return rows % TILE_ROWS === 1;
}

function filledRows(rows: number): number {
  return endsInSingleRow(rows) ? rows + 1 : rows;
}

export interface BatchInputs {
  readonly texts: number;
  readonly longest: number;
  /** [tokens]; this and all that are by token may have one entry more, a repetition of the last. */
  readonly inputIds: BigInt64Array;
  /** [texts, longest]: packed position of each padded place. Padding repeats the text's last token: finite, never read. */
  readonly padIdx: BigInt64Array;
  /** [tokens]: padded place of each packed token. */
  readonly unpadIdx: BigInt64Array;
  /** [tokens]: 1 for a token of a pair's second type (token-type.ts). */
  readonly tokenTypes: BigInt64Array;
  /** [tokens]: place of each packed token in its text. */
  readonly positionIds: BigInt64Array;
  /** [texts]: packed position of each text's first and last token. These two may have an entry more. */
  readonly firstIdx: BigInt64Array;
  readonly lastIdx: BigInt64Array;
  /** [texts]: where each text begins among the packed tokens, and where the next one does. A repeated token is a text of its own. */
  readonly textStarts: BigInt64Array;
  readonly textEnds: BigInt64Array;
  /** [texts]: length minus one. */
  readonly seqlensK: Int32Array;
}

const EMPTY = new Int32Array();

interface Packed {
  /** Packed row of the text's tokens. */
  readonly rows: Int32Array;
  /** So many of them are those of another text. */
  readonly shared: number;
}

function rowsOf(
  texts: readonly Int32Array[],
  share: boolean,
  owners: ArrayLike<number> | undefined,
): { readonly packed: readonly Packed[]; readonly tokens: number } {
  const packed: Packed[] = [];
  const order = [...texts.keys()];
  const ownerOf = (index: number): number => (owners === undefined ? 0 : must(owners[index], "a text's owner"));
  if (share) order.sort((left, right) => ownerOf(left) - ownerOf(right) || compared(texts[left], texts[right]));
  let tokens = 0;
  let before: number | undefined;
  for (const index of order) {
    const text = must(texts[index], "a text");
    assert(text.length > 0, "a text has at least its ending token");
    const beside = share && before !== undefined && ownerOf(before) === ownerOf(index) ? before : undefined;
    const common = beside === undefined ? 0 : commonTokens(text, texts[beside]);
    const shared = common < SHARED_TOKENS_MIN ? 0 : common;
    const rows = new Int32Array(text.length);
    if (beside !== undefined) rows.set(must(packed[beside], "its rows").rows.subarray(0, shared));
    for (let position = shared; position < text.length; position += 1) rows[position] = tokens++;
    packed[index] = { rows, shared };
    before = index;
  }
  return { packed, tokens };
}

/** By their tokens, so that those that begin alike are neighbours. */
function compared(left: Int32Array = EMPTY, right: Int32Array = EMPTY): number {
  const common = commonTokens(left, right);
  return common < Math.min(left.length, right.length)
    ? (left[common] ?? 0) - (right[common] ?? 0)
    : left.length - right.length;
}

/**
 * Packs texts of one token or more each. `share`: those of one owner that begin alike have rows in common (shared-rows.ts).
 * `owners`: [texts], as RunOptions.owners.
 */
export function packBatch(texts: readonly Int32Array[], share = false, owners?: ArrayLike<number>): BatchInputs {
  const { packed, tokens } = rowsOf(texts, share, owners);
  const longest = texts.reduce((peak, text) => Math.max(peak, text.length), 0);
  const inputIds = new BigInt64Array(filledRows(tokens));
  const padIdx = new BigInt64Array(texts.length * longest);
  const unpadIdx = new BigInt64Array(inputIds.length);
  const positionIds = new BigInt64Array(inputIds.length);
  const tokenTypes = new BigInt64Array(inputIds.length);
  const firstIdx = new BigInt64Array(filledRows(texts.length));
  const lastIdx = new BigInt64Array(firstIdx.length);
  const slices = texts.length + inputIds.length - tokens;
  const [textStarts, textEnds] = [new BigInt64Array(slices), new BigInt64Array(slices)];
  const seqlensK = new Int32Array(texts.length);
  const [ids, pads, unpads, positions, types] = [
    lowWords(inputIds),
    lowWords(padIdx),
    lowWords(unpadIdx),
    lowWords(positionIds),
    lowWords(tokenTypes),
  ];
  const [firsts, lasts, starts, ends] = [
    lowWords(firstIdx),
    lowWords(lastIdx),
    lowWords(textStarts),
    lowWords(textEnds),
  ];
  for (const [index, { rows, shared }] of packed.entries()) {
    const text = must(texts[index], "a text");
    const last = text.length - 1;
    for (let position = 0; position < longest; position += 1) {
      const place = index * longest + position;
      const row = rows[Math.min(position, last)] ?? 0;
      pads[place * 2] = row;
      if (position < shared || position > last) continue;
      const id = text[position] ?? 0;
      ids[row * 2] = tokenOf(id);
      types[row * 2] = typeOf(id);
      unpads[row * 2] = place;
      positions[row * 2] = position;
    }
    const first = rows[0] ?? 0;
    firsts[index * 2] = first;
    starts[index * 2] = first;
    lasts[index * 2] = rows[last] ?? 0;
    ends[index * 2] = first + text.length;
    seqlensK[index] = last;
  }
  inputIds.fill(inputIds[tokens - 1] ?? 0n, tokens);
  unpadIdx.fill(unpadIdx[tokens - 1] ?? 0n, tokens);
  positionIds.fill(positionIds[tokens - 1] ?? 0n, tokens);
  tokenTypes.fill(tokenTypes[tokens - 1] ?? 0n, tokens);
  firstIdx.fill(firstIdx[texts.length - 1] ?? 0n, texts.length);
  lastIdx.fill(lastIdx[texts.length - 1] ?? 0n, texts.length);
  textStarts.fill(BigInt(tokens), texts.length);
  textEnds.fill(BigInt(tokens + 1), texts.length);
  return {
    texts: texts.length,
    longest,
    inputIds,
    padIdx,
    unpadIdx,
    tokenTypes,
    positionIds,
    firstIdx,
    lastIdx,
    textStarts,
    textEnds,
    seqlensK,
  };
}

/** The tensors that a graph with these inputs is fed. `pastTokens`: of the same text, computed before. */
export function batchFeeds(batch: BatchInputs, inputNames: readonly string[], pastTokens = 0): Record<string, Tensor> {
  const seqlensK = pastTokens === 0 ? batch.seqlensK : batch.seqlensK.map((length) => length + pastTokens);
  const list = (values: BigInt64Array): Tensor => new Tensor("int64", values, [values.length]);
  const feeds: Record<string, Tensor> = {
    input_ids: list(batch.inputIds),
    position_ids: list(batch.positionIds),
    token_types: list(batch.tokenTypes),
    pad_idx: new Tensor("int64", batch.padIdx, [batch.texts, batch.longest]),
    unpad_idx: list(batch.unpadIdx),
    first_idx: list(batch.firstIdx),
    last_idx: list(batch.lastIdx),
    text_starts: list(batch.textStarts),
    text_ends: list(batch.textEnds),
    seqlens_k: new Tensor("int32", seqlensK, [batch.texts]),
    total_seq: new Tensor("int32", Int32Array.of(batch.longest + pastTokens), [1]),
  };
  return Object.fromEntries(Object.entries(feeds).filter(([name]) => inputNames.includes(name)));
}

/** Every value here is a non-negative int32: writing the low words of zeroed int64s avoids a BigInt per token. */
function lowWords(values: BigInt64Array): Int32Array {
  return new Int32Array(values.buffer);
}
