// Hostile bodies: what is no JSON, what is JSON and no request, and what is too much of either.
import { gzipSync } from "node:zlib";
import type { Body, HostileCase } from "./support.ts";
import { NEEDLE, VALUE, bodyRaw, bodyWith, embed } from "./support.ts";

type Expected = HostileCase["expect"];
const DEPTH = 100_000;
const nested = "[".repeat(DEPTH) + "]".repeat(DEPTH);
const good = bodyWith({});
const MIB = 1024 * 1024;

function bodies(rows: readonly (readonly [name: string, body: Body, expect: Expected])[]): readonly HostileCase[] {
  return rows.map(([name, body, expect]) => ({ name, send: embed(body), expect }));
}

const NO_JSON = bodies(
  (
    [
      ["an empty body", ""],
      ["white space alone", "  \r\n\t "],
      ["an open brace", "{"],
      ["a closing brace", "}"],
      ["JSON that ends too early", good.slice(0, -3)],
      ["a second value after the first", `${good}{}`],
      ["single quotes", `{'model':'x'}`],
      ["names without quotes", `{model:"x"}`],
      ["a trailing comma", `${good.slice(0, -1)},}`],
      ["a comment", `/* ${NEEDLE} */${good}`],
      ["NaN", bodyRaw("dimensions", "NaN")],
      ["Infinity", bodyRaw("dimensions", "-Infinity")],
      ["a hexadecimal number", bodyRaw("dimensions", "0x40")],
      ["a number with a leading zero", bodyRaw("dimensions", "064")],
      ["a number with a plus sign", bodyRaw("dimensions", "+64")],
      ["a number that ends in a point", bodyRaw("dimensions", "64.")],
      ["a number in Arabic digits", bodyRaw("dimensions", "٦٤")],
      ["a number in full-width digits", bodyRaw("dimensions", "６４")],
      ["a line feed inside a string", bodyRaw("input", `"${NEEDLE}\n"`)],
      ["a NUL inside a string", bodyRaw("input", `"${NEEDLE}\u0000"`)],
      ["half a unicode escape", bodyRaw("input", String.raw`"\u12"`)],
      ["an unknown escape", bodyRaw("input", String.raw`"\x41"`)],
      ["only NULs", Buffer.alloc(64)],
      ["UTF-16 with a byte order mark", Buffer.from(`\uFEFF${good}`, "utf16le")],
      ["UTF-16 without one", Buffer.from(good, "utf16le")],
      ["bytes that are no UTF-8", Buffer.concat([Buffer.from(good.slice(0, -2)), Buffer.from([0xff, 0xfe])])],
      ["an overlong slash in UTF-8", Buffer.from(bodyRaw("user", '"\u00C0\u00AF"'), "latin1")],
      ["a surrogate encoded in UTF-8", Buffer.from(bodyRaw("user", '"\u00ED\u00A0\u0080"'), "latin1")],
      ["UTF-8 cut in the middle of a character", Buffer.from(bodyRaw("user", '"\u00E2\u0082"'), "latin1")],
      ["two byte order marks", `\uFEFF\uFEFF${good}`],
      ["arrays 100,000 deep that never close", "[".repeat(DEPTH)],
      ["a form", `model=x&input=${NEEDLE}`],
      ["a multipart body that says it is JSON", `--b\r\nContent-Disposition: form-data; name="input"\r\n\r\n${NEEDLE}`],
    ] as const
  ).map(([name, body]) => [name, body, "invalid_json"] as const),
);

const NO_OBJECT = bodies(
  (
    [
      ["null", "null"],
      ["a number beyond the floats", "1e400"],
      ["a string", `"${NEEDLE}"`],
      ["true", "true"],
      ["an array", `[${good}]`],
      ["arrays 100,000 deep", nested],
    ] as const
  ).map(([name, body]) => [`${name} for a body`, body, "invalid_type"] as const),
);

const PROTOTYPES = bodies([
  ["a field named __proto__", bodyRaw("__proto__", `{"input":"${NEEDLE}"}`), "unknown_field"],
  ["a field named constructor", bodyRaw("constructor", `{"prototype":{}}`), "unknown_field"],
  ["a field named toString", bodyRaw("toString", "1"), "unknown_field"],
  ["a field named hasOwnProperty", bodyRaw("hasOwnProperty", "1"), "unknown_field"],
  ["__proto__ for a model", bodyWith({ model: "__proto__" }), "model_not_found"],
  ["constructor for a model", bodyWith({ model: "constructor" }), "model_not_found"],
  ["__proto__ for a value of a list", bodyWith({ encoding_format: "__proto__" }), "invalid_value"],
  ["toString for a type of output", bodyWith({ output_dtype: "toString" }), "invalid_value"],
  ["an object with a length for input", bodyWith({ input: { length: 2, 0: NEEDLE } }), "invalid_type"],
  ["a prototype inside an ignored field", bodyRaw("metadata", `{"__proto__":{"x":1}}`), 200],
]);

const FIELDS = bodies([
  ["a field nobody knows, with a megabyte for a name", bodyRaw("x".repeat(MIB), "1"), "unknown_field"],
  ["a field whose name holds a line end", bodyRaw("a\r\nSet-Cookie: x", "1"), "unknown_field"],
  ["no model", bodyWith({ model: undefined }), "missing_field"],
  ["null for a model", bodyWith({ model: null }), "missing_field"],
  ["a number for a model", bodyWith({ model: 4 }), "invalid_type"],
  ["an empty model", bodyWith({ model: "" }), ["invalid_value", "model_not_found"]],
  ["a path for a model", bodyWith({ model: "../../etc/passwd" }), "model_not_found"],
  ["a model with a NUL", bodyWith({ model: "owner/fake-model\u0000" }), "model_not_found"],
  ["a model with a line end", bodyWith({ model: "owner/fake-model\r\nX: y" }), "model_not_found"],
  ["a model in capitals", bodyWith({ model: "OWNER/FAKE-MODEL" }), "model_not_found"],
  ["a model of a megabyte", bodyWith({ model: "m".repeat(MIB) }), ["model_not_found", "invalid_value"]],
  ["a suffix without a number", bodyWith({ model: "owner/fake-model@" }), "model_not_found"],
  ["a suffix in Arabic digits", bodyWith({ model: "owner/fake-model@٦٤" }), "model_not_found"],
  ["a suffix of zero", bodyWith({ model: "owner/fake-model@0" }), ["invalid_dimensions", "model_not_found"]],
  [
    "a suffix beyond all models",
    bodyWith({ model: "owner/fake-model@99999999" }),
    ["invalid_dimensions", "model_not_found"],
  ],
  ["dimensions of zero", bodyWith({ dimensions: 0 }), "invalid_dimensions"],
  ["negative dimensions", bodyWith({ dimensions: -1 }), "invalid_dimensions"],
  ["dimensions in halves", bodyWith({ dimensions: 1.5 }), ["invalid_value", "invalid_type"]],
  ["dimensions beyond the floats", bodyRaw("dimensions", "1e400"), ["invalid_value", "invalid_type"]],
  ["dimensions beyond the integers", bodyRaw("dimensions", "9007199254740993"), ["invalid_value", "invalid_type"]],
  ["dimensions as text", bodyWith({ dimensions: "8" }), "invalid_type"],
  ["dimensions as an array", bodyWith({ dimensions: [8] }), "invalid_type"],
  ["dimensions with 100,000 digits", bodyRaw("dimensions", "9".repeat(DEPTH)), ["invalid_value", "invalid_type"]],
  ["an instruction that is too long", bodyWith({ instruction: NEEDLE.repeat(1000) }), "invalid_value"],
  ["an instruction that is an object", bodyWith({ instruction: { text: NEEDLE } }), "invalid_type"],
  ["an instruction for documents", bodyWith({ instruction: NEEDLE, input_type: "document" }), "incompatible_options"],
  ["a truncation nobody knows", bodyWith({ truncate: VALUE }), "invalid_value"],
  ["another truncation than the alias", bodyWith({ truncate: "none", truncation: true }), "incompatible_options"],
  ["true as text", bodyWith({ truncation: "true" }), "invalid_type"],
  ["normalize: false", bodyWith({ normalize: false }), ["invalid_value", "invalid_type"]],
  ["token_encoding for texts", bodyWith({ token_encoding: "cl100k_base" }), "incompatible_options"],
]);

const INPUTS = bodies([
  ["no input", bodyWith({ input: undefined }), "missing_field"],
  ["null for input", bodyWith({ input: null }), "missing_field"],
  ["an empty text", bodyWith({ input: "" }), "empty_input"],
  ["an empty list", bodyWith({ input: [] }), "empty_input"],
  ["an empty text behind a good one", bodyWith({ input: [NEEDLE, ""] }), "empty_input"],
  ["an empty list of ids", bodyWith({ input: [[]] }), "empty_input"],
  ["null in a list", bodyWith({ input: [null] }), "invalid_type"],
  ["texts, then ids", bodyWith({ input: [NEEDLE, 1] }), "invalid_type"],
  ["ids, then texts", bodyWith({ input: [1, NEEDLE] }), "invalid_type"],
  ["lists of ids, then a text", bodyWith({ input: [[1], NEEDLE] }), "invalid_type"],
  ["a pair of one", bodyWith({ input: [[NEEDLE]] }), "invalid_type"],
  ["a pair of three", bodyWith({ input: [[NEEDLE, NEEDLE, NEEDLE]] }), "invalid_type"],
  ["a pair with an object", bodyWith({ input: [[NEEDLE, {}]] }), "invalid_type"],
  ["lists in lists in lists", bodyWith({ input: [[[NEEDLE]]] }), "invalid_type"],
  ["100,000 lists in lists", bodyRaw("input", nested), "invalid_type"],
  ["a negative id", bodyWith({ input: [-1] }), "invalid_token_id"],
  ["half an id", bodyWith({ input: [1.5] }), "invalid_token_id"],
  ["an id beyond the floats", bodyRaw("input", "[1e400]"), "invalid_token_id"],
  ["an id beyond 32 bits", bodyWith({ input: [4_294_967_296] }), "invalid_token_id"],
  ["an id that is minus zero", bodyRaw("input", "[-0]"), [200, "invalid_token_id"]],
  ["2,049 texts", bodyWith({ input: Array.from({ length: 2049 }, () => "a") }), "too_many_inputs"],
  ["2,049 lists of ids", bodyWith({ input: Array.from({ length: 2049 }, () => [1]) }), "too_many_inputs"],
  ["1,025 pairs", bodyWith({ input: Array.from({ length: 1025 }, () => ["a", "b"]) }), "too_many_inputs"],
  // Its values are counted before it is parsed.
  ["objects 100,000 deep that never close", '{"a":'.repeat(DEPTH), "too_many_tokens"],
  ["a million empty texts", bodyWith({ input: Array.from({ length: 1_000_000 }, () => "") }), "too_many_tokens"],
  ["a million empty objects", bodyWith({ input: Array.from({ length: 1_000_000 }, () => ({})) }), "too_many_tokens"],
  ["300,001 ids", bodyWith({ input: Array.from({ length: 300_001 }, () => 1) }), "too_many_tokens"],
]);

const HARMLESS = bodies([
  ["a byte order mark", `\uFEFF${good}`, 200],
  ["a field twice, the last one good", `{"input":"","input":"${NEEDLE}","model":"owner/fake-model"}`, 200],
  ["a field twice, the last one bad", `{"input":"${NEEDLE}","model":"owner/fake-model","input":""}`, "empty_input"],
  ["a lone high surrogate", bodyRaw("input", String.raw`"\ud800"`), 200],
  ["a lone low surrogate in an instruction", bodyRaw("instruction", String.raw`"\udc00"`), 200],
  ["an escaped NUL", bodyRaw("input", String.raw`"\u0000"`), 200],
  [
    "every control character",
    bodyWith({ input: String.fromCodePoint(...Array.from({ length: 32 }, (_, i) => i)) }),
    200,
  ],
  ["100,000 lists in an ignored field", bodyRaw("metadata", nested), 200],
  ["a number written as 64.0", bodyRaw("dimensions", "64.0"), 200],
  ["a number written as 6.4e1", bodyRaw("dimensions", "6.4e1"), 200],
  ["null for every optional field", bodyWith({ dimensions: null, instruction: null, truncate: null, user: null }), 200],
]);

const gzipped = (body: Body): Buffer => gzipSync(body);
function encoded(name: string, encoding: string, body: Body, expect: Expected): HostileCase {
  return { name, send: embed(body, [["Content-Encoding", encoding]]), expect };
}
const zip = gzipped(good);

const ENCODINGS: readonly HostileCase[] = [
  encoded("gzip", "gzip", zip, 200),
  encoded("GZIP in capitals", "GZIP", zip, 200),
  encoded("gzip that is plain text", "gzip", good, "invalid_json"),
  encoded("gzip of nothing at all", "gzip", "", "invalid_json"),
  encoded("gzip cut in half", "gzip", zip.subarray(0, zip.length >> 1), "invalid_json"),
  encoded(
    "gzip with a damaged checksum",
    "gzip",
    Buffer.concat([zip.subarray(0, -8), Buffer.alloc(8)]),
    "invalid_json",
  ),
  encoded("gzip with bytes behind it", "gzip", Buffer.concat([zip, Buffer.from(NEEDLE)]), "invalid_json"),
  encoded("gzip in gzip", "gzip", gzipped(zip), "invalid_json"),
  encoded("a gzip bomb of 64 MB", "gzip", gzipped(Buffer.alloc(64 * MIB)), "body_too_large"),
  encoded("a gzip bomb of good JSON", "gzip", gzipped(bodyWith({ input: "a".repeat(9 * MIB) })), "body_too_large"),
  encoded("two encodings", "gzip, gzip", zip, "unsupported_media_type"),
  encoded("brotli", "br", good, "unsupported_media_type"),
  encoded("deflate", "deflate", good, "unsupported_media_type"),
  encoded("an encoding nobody knows", NEEDLE, good, "unsupported_media_type"),
];

export const BODY_CASES: readonly HostileCase[] = [
  ...NO_JSON,
  ...NO_OBJECT,
  ...PROTOTYPES,
  ...FIELDS,
  ...INPUTS,
  ...HARMLESS,
  ...ENCODINGS,
];
