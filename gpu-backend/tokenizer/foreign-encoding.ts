// Token ids of OpenAI's encodings → text. Only decoding is needed, so the tables that js-tiktoken ships are read
// without its encoder, whose tables take seconds and 100 MB to build. Loaded on first use, in a tokenizer process.

import type { TiktokenBPE } from "js-tiktoken/lite";
import { unreachable } from "../../shared/assert.ts";
import type { TokenEncoding } from "../../shared/wire.ts";

export interface ForeignEncoding {
  /** The text of `ids`; bytes that are no UTF-8 become U+FFFD. `unknown`: the first id that the encoding lacks. */
  readonly decode: (ids: Uint32Array) => string | { readonly unknown: number; readonly encoding: TokenEncoding };
}

const loaded = new Map<TokenEncoding, Promise<ForeignEncoding>>();

/** The decoder of `encoding`, loaded once a process. */
export function foreignEncoding(encoding: TokenEncoding): Promise<ForeignEncoding> {
  const known = loaded.get(encoding) ?? load(encoding);
  loaded.set(encoding, known);
  return known;
}

async function load(encoding: TokenEncoding): Promise<ForeignEncoding> {
  const table = await tableOf(encoding);
  const tokens = tokensOf(table);
  const special = new Map(Object.entries(table.special_tokens).map(([text, id]) => [id, text]));
  return {
    decode: (ids) => {
      const pieces: Buffer[] = [];
      for (const id of ids) {
        const token = tokens[id];
        const text = token === undefined ? special.get(id) : undefined;
        if (token === undefined && text === undefined) return { unknown: id, encoding };
        pieces.push(token === undefined ? Buffer.from(text ?? "") : Buffer.from(token, "base64"));
      }
      return Buffer.concat(pieces).toString("utf8");
    },
  };
}

async function tableOf(encoding: TokenEncoding): Promise<TiktokenBPE> {
  switch (encoding) {
    case "cl100k_base":
      return (await import("js-tiktoken/ranks/cl100k_base")).default;
    case "o200k_base":
      return (await import("js-tiktoken/ranks/o200k_base")).default;
    default:
      return unreachable(encoding);
  }
}

/** Base64 bytes by id. A line of the table is a comment mark, its first id, and the tokens from there on. */
function tokensOf(table: TiktokenBPE): readonly (string | undefined)[] {
  const tokens: (string | undefined)[] = [];
  for (const line of table.bpe_ranks.split("\n")) {
    const [, first, ...texts] = line.split(" ");
    for (const [index, text] of texts.entries()) tokens[Number(first) + index] = text;
  }
  return tokens;
}
