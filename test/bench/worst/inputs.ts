// What a caller may send to cost us most: alphabets and structures that make a parser, a normaliser, a tokenizer, a
// regular expression or a table work more than plain English of the same length does, and counts that multiply.

import { gzipSync } from "node:zlib";

export const ENGLISH = "The quick brown fox jumps over the lazy dog, again and again. ";

/** Each is repeated. */
export const ALPHABETS: Readonly<Record<string, string>> = {
  "one letter": "a",
  "capitals and contractions": "DON'T'S'LL'RE'VE'M'D",
  spaces: " ",
  "line ends": "\r\n",
  "tabs and one letter": "\t\ta",
  digits: "0123456789",
  "digits of other scripts": "٠١२३๔๕",
  punctuation: "([{<!?;:.,-_=+*&^%$#@~`|/>}])",
  quotes: '"',
  backslashes: "\\",
  "control characters": "\u0001\u0007\u001b",
  NULs: "\0",
  "replacement characters": "\ufffd",
  "lone surrogates": "\udead",
  "marks of two classes": "\u0315\u0301",
  "a letter and thirty marks": `a${"\u0315\u0301".repeat(15)}`,
  "a letter and thirty-one marks": `a${"\u0315\u0301".repeat(15)}\u0301`,
  "marks beyond the basic plane": "\u{1d165}\u{1d16e}",
  "letters that join backwards": "\u{16d67}",
  "what NFC makes longer": "\u{1d160}\u0958\u2adc",
  "what NFC makes shorter": "\u1fef\u2126\u1100\u1161\u11a8",
  jamo: "\u1100\u1161",
  Hangul: "\ud55c\uad6d\uc5b4",
  Han: "\u8fd9\u662f\u4e00\u4e2a\u6d4b\u8bd5",
  Thai: "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
  "virama chains": "\u0915\u094d",
  "right to left": "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
  "joined emoji": "\u{1f469}\u200d\u{1f469}\u200d\u{1f467}\ufe0f",
  "mathematical letters": "\u{1d49c}\u{1d4b7}",
  "ends of text": "<|endoftext|>",
  "beginnings of added tokens": "<|im_sta",
  "zero widths": "\u200b\ufeff\u2060",
};

/** `bytes` of UTF-8, about, of `unit` again and again. */
function repeated(unit: string, bytes: number): string {
  return unit.repeat(Math.max(1, Math.floor(bytes / Buffer.byteLength(unit))));
}

/** A run of `bytes` of each alphabet, one after the other: what is quadratic in a run of anything shows in it. */
export function runs(bytes: number): string {
  return Object.values(ALPHABETS)
    .map((unit) => repeated(unit, bytes))
    .join("");
}

/** Where a text may stand; each gives a path and the body of a POST. */
export const FIELDS: Readonly<Record<string, (model: string, text: string) => readonly [string, object]>> = {
  "a text": (model, text) => ["/v1/embeddings", { model, input: text }],
  "texts of 200": (model, text) => ["/v1/embeddings", { model, input: pieces(text, 200) }],
  "texts to be cut": (model, text) => ["/v1/embeddings", { model, input: pieces(text, 20_000), truncate: "start" }],
  "an instruction": (model, text) => ["/v1/tokenize", { model, input: many(64), instruction: text.slice(0, 4096) }],
  documents: (model, text) => ["/v1/rerank", { model, query: text.slice(0, 2000), documents: pieces(text, 1000) }],
  pairs: (model, text) => [
    "/v1/similarity",
    {
      model,
      pairs: pieces(text, 400)
        .map((own) => [own, own])
        .slice(0, 1024),
    },
  ],
  "a model's name": (_, text) => ["/v1/embeddings", { model: text, input: "a" }],
  "a field's name": (model, text) => ["/v1/embeddings", { model, input: "a", [text]: 1 }],
  "an ignored field": (model, text) => [
    "/v1/embeddings",
    { model, input: "a", metadata: { a: [text] }, dimensions: "8" },
  ],
};

const BODY_BYTES_MAX = 8_388_608;

/** `bytes` of `unit` in a field, less where escapes make the body longer than one may be. */
export function textAttack(make: (typeof FIELDS)[string], model: string, unit: string, bytes: number): Attack {
  const [path, body] = make(model, repeated(unit, bytes));
  const text = JSON.stringify(body);
  const factor = BODY_BYTES_MAX / Buffer.byteLength(text);
  return factor < 1 ? textAttack(make, model, unit, bytes * factor * 0.9) : { path, body: text };
}

function pieces(text: string, length: number): string[] {
  const count = Math.min(2047, Math.max(1, Math.floor(text.length / length)));
  return Array.from({ length: count }, (_, index) => text.slice(index * length, (index + 1) * length));
}

function many(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `x${index}`);
}

export interface Attack {
  readonly path: string;
  readonly body: string | Buffer<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
  /** POST unless told; a GET has no body. */
  readonly method?: "GET" | "POST";
}

const gzip = { "content-encoding": "gzip" };
const TRUNCATED = { truncate: "end" };

/** Bodies of `bytes`, about, that are not one text: for the edge alone. */
export const STRUCTURES: Readonly<Record<string, (model: string, bytes: number) => Attack>> = {
  "unknown fields": (model, bytes) => raw(`{"model":"${model}","input":"a",${list(bytes, 13, (n) => `"k${n}":1`)}}`),
  "one field again and again": (model, bytes) => raw(`{"model":"${model}",${list(bytes, 12, () => '"input":"a"')}}`),
  "arrays in arrays": (_, bytes) => raw("[".repeat(bytes)),
  "arrays in arrays, closed": (model, bytes) =>
    raw(`{"model":"${model}","input":${"[".repeat(bytes / 2)}${"]".repeat(bytes / 2)}}`),
  "objects in objects": (model, bytes) => raw(`{"model":"${model}","metadata":${'{"a":'.repeat(bytes / 5)}`),
  "arrays of one id": (model, bytes) => raw(`{"model":"${model}","input":[${list(bytes, 4, () => "[1]")}]}`),
  "empty strings": (model, bytes) => raw(`{"model":"${model}","input":[${list(bytes, 3, () => '""')}]}`),
  "token ids": (model, bytes) => raw(`{"model":"${model}","input":[${list(bytes, 2, () => "7")}]}`),
  "arrays of token ids": (model, bytes) =>
    raw(`{"model":"${model}","input":[${list(bytes, 3800, () => `[${list(3797, 2, () => "7")}]`)}]}`),
  "empty objects for texts": (model, bytes) => raw(`{"model":"${model}","input":[${list(bytes, 3, () => "{}")}]}`),
  fractions: (model, bytes) => raw(`{"model":"${model}","input":[${list(bytes, 11, () => "1.23456e-7")}]}`),
  "one long number": (model, bytes) => raw(`{"model":"${model}","dimensions":${"9".repeat(bytes)}}`),
  "spaces alone": (_, bytes) => raw(" ".repeat(bytes)),
  "escapes alone": (model, bytes) => raw(`{"model":"${model}","input":"${String.raw`\u0041`.repeat(bytes / 6)}`),
  "keys of an ignored field": (model, bytes) =>
    raw(`{"model":"${model}","input":"","metadata":{${list(bytes, 13, (n) => `"k${n}":1`)}}}`),
  "no JSON": (_, bytes) => raw("\u00ff".repeat(bytes / 2)),
  "gzip of zeros": (_, bytes) => zipped(Buffer.alloc(bytes * 40)),
  "gzip of spaces": (_, bytes) => zipped(Buffer.alloc(bytes * 40, " ")),
  "gzip of nothing, many members": (_, bytes) => {
    const empty = gzipSync("");
    return {
      path: "/v1/embeddings",
      headers: gzip,
      body: Buffer.concat(Array.from({ length: bytes / 20 }, () => empty)),
    };
  },
};

/** Counts that multiply: small bodies whose work is the product. For edge and backend. */
export const PRODUCTS: Readonly<Record<string, (model: string) => Attack>> = {
  "texts x instruction": (model) =>
    json("/v1/embeddings", { model, input: many(2048), instruction: "q7 ".repeat(1365) }),
  "texts x instruction, a quote": (model) =>
    json("/v1/tokenize", { model, input: many(2048), instruction: "q7 ".repeat(1365) }),
  "texts x instruction of marks": (model) =>
    json("/v1/embeddings", { model, input: many(2048), instruction: "\u0315\u0301".repeat(2048), ...TRUNCATED }),
  "texts x instruction, cut": (model) =>
    json("/v1/embeddings", { model, input: many(2048), instruction: "\u{1d49c}".repeat(2048), truncate: "start" }),
  "documents x query": (model) =>
    json("/v1/rerank", { model, query: "why ".repeat(20_000), documents: many(2047), instruction: "q7 ".repeat(1365) }),
  "pairs of one text": (model) =>
    json("/v1/similarity", { model, pairs: Array.from({ length: 1024 }, () => ["same", "same"]) }),
};

function raw(body: string): Attack {
  return { path: "/v1/embeddings", body };
}

function json(path: string, body: object): Attack {
  return { path, body: JSON.stringify(body) };
}

function zipped(bytes: Buffer): Attack {
  return { path: "/v1/embeddings", headers: gzip, body: gzipSync(bytes) };
}

function list(bytes: number, each: number, item: (index: number) => string): string {
  return Array.from({ length: Math.max(1, Math.floor(bytes / each)) }, (_, index) => item(index)).join(",");
}
