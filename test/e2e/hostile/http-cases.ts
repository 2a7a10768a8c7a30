// Hostile HTTP: framing and smuggling, methods, targets, credentials, options, and headers as a weapon.
import type { HostileCase } from "./support.ts";
import { NEEDLE, VALUE, ask, bodyWith, embed } from "./support.ts";
import type { HeaderLines } from "./raw-http.ts";
import { rawRequest } from "./raw-http.ts";

type Expected = HostileCase["expect"];
const good = bodyWith({});
const LENGTH = String(Buffer.byteLength(good));
const MIB = 1024 * 1024;

/** A good call but for its lengths; the connection ends with it. */
function framing(name: string, lines: HeaderLines, body: string, expect: Expected = "invalid_request"): HostileCase {
  return { name, send: embed(body, lines, ["Content-Length"]), expect, closes: true };
}
const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
const CHUNKED: HeaderLines = [["Transfer-Encoding", "chunked"]];
const SMUGGLED = `GET /${NEEDLE} HTTP/1.1\r\nHost: x\r\n\r\n`;

const FRAMING: readonly HostileCase[] = [
  framing("a length and chunks", [["Content-Length", LENGTH], ...CHUNKED], chunk(good) + chunk("")),
  framing("chunks and a length", [...CHUNKED, ["Content-Length", LENGTH]], `0\r\n\r\n${SMUGGLED}`),
  framing(
    "two lengths that differ",
    [
      ["Content-Length", LENGTH],
      ["Content-Length", "5"],
    ],
    good,
  ),
  framing(
    "two lengths that agree",
    [
      ["Content-Length", LENGTH],
      ["Content-Length", LENGTH],
    ],
    good,
  ),
  framing("two lengths in one line", [["Content-Length", `${LENGTH}, ${LENGTH}`]], good),
  framing("a negative length", [["Content-Length", "-1"]], good),
  framing("a length with a plus sign", [["Content-Length", `+${LENGTH}`]], good),
  framing("a hexadecimal length", [["Content-Length", "0x2d"]], good),
  framing("a length in halves", [["Content-Length", "45.5"]], good),
  framing("a length beyond 64 bits", [["Content-Length", "99999999999999999999"]], good),
  framing("an empty length", [["Content-Length", ""]], good),
  framing("9 MB announced, nothing sent", [["Content-Length", String(9 * MIB)]], "", "body_too_large"),
  framing("2^53 bytes announced", [["Content-Length", "900719925474099"]], good, "body_too_large"),
  framing("9 MB sent", [["Content-Length", String(9 * MIB)]], "a".repeat(9 * MIB), "body_too_large"),
  framing("9 MB in chunks", CHUNKED, chunk("a".repeat(3 * MIB)).repeat(3) + chunk(""), "body_too_large"),
  framing("chunks twice", [["Transfer-Encoding", "chunked, chunked"]], chunk(good) + chunk("")),
  framing("a coding before chunks", [["Transfer-Encoding", "gzip, chunked"]], chunk("")),
  framing("a coding after chunks", [["Transfer-Encoding", "chunked, identity"]], chunk("")),
  framing("the coding identity", [["Transfer-Encoding", "identity"]], good),
  framing("a coding with a tab in it", [["Transfer-Encoding", "\tchunked\u000B"]], chunk("")),
  framing("a chunk size that is no number", CHUNKED, `zz\r\n${good}\r\n`),
  framing("a negative chunk size", CHUNKED, `-1\r\n${good}\r\n`),
  framing("a chunk size with 0x", CHUNKED, `0x10\r\n${good}\r\n`),
  framing("a chunk size beyond 64 bits", CHUNKED, `fffffffffffffffff\r\n${good}\r\n`),
  framing("a chunk longer than its size", CHUNKED, `5\r\n${good}\r\n0\r\n\r\n`),
  framing("a chunk size line that never ends", CHUNKED, "1".repeat(4096)),
  framing("a chunk extension of 4 KB", CHUNKED, `1;${"a".repeat(4096)}\r\nx\r\n0\r\n\r\n`),
  { name: "good chunks", send: embed(chunk(good) + chunk(""), CHUNKED, ["Content-Length"]), expect: 200 },
  {
    name: "chunks of one byte each",
    send: embed(Array.from(good, chunk).join("") + chunk(""), CHUNKED, ["Content-Length"]),
    expect: 200,
  },
  {
    name: "a chunk extension and trailers",
    send: embed(`${LENGTH_HEX()};a="b"\r\n${good}\r\n0\r\nX: y\r\n\r\n`, CHUNKED, ["Content-Length"]),
    expect: 200,
  },
  { name: "a smuggled request inside a body", send: embed(`${good.slice(0, -1)}}${SMUGGLED}`), expect: "invalid_json" },
];

function LENGTH_HEX(): string {
  return Number(LENGTH).toString(16);
}

function raw(name: string, text: string, expect: Expected = "invalid_request"): HostileCase {
  return { name, send: () => Buffer.from(text, "latin1"), expect, closes: true };
}
function line(name: string, header: string, expect: Expected = "invalid_request"): HostileCase {
  return raw(name, `GET /health HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n`, expect);
}

const MESSAGES: readonly HostileCase[] = [
  raw("no HTTP at all", `${NEEDLE}\r\n\r\n`),
  raw("a TLS greeting", "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00FC\u0003\u0003\r\n\r\n"),
  raw("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  raw("HTTP/9.9", "GET /health HTTP/9.9\r\nHost: x\r\n\r\n"),
  raw("a request line without a version", "GET /health\r\nHost: x\r\n\r\n"),
  raw("a request line with four parts", "GET /health x HTTP/1.1\r\nHost: x\r\n\r\n"),
  raw("bare line feeds", "GET /health HTTP/1.1\nHost: x\n\n"),
  raw("a bare carriage return", "GET /health HTTP/1.1\r\nHost: x\rX: y\r\n\r\n"),
  raw("HTTP/1.0 without a host", "GET /health HTTP/1.0\r\n\r\n"),
  raw("no host", "GET /health HTTP/1.1\r\n\r\n"),
  raw("two hosts", "GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"),
  raw("an empty host", "GET /health HTTP/1.1\r\nHost: \r\n\r\n"),
  raw("markup for a host", `GET /none HTTP/1.1\r\nHost: "><script>${NEEDLE}\r\n\r\n`),
  raw("a path for a host", `GET /none HTTP/1.1\r\nHost: a/b?c#d@${NEEDLE}\r\n\r\n`),
  line("a folded header", `X-A: a\r\n ${NEEDLE}`),
  line("a space before the colon", "X-A : a"),
  line("a header without a colon", NEEDLE),
  line("a header without a name", `: ${NEEDLE}`),
  line("a NUL in a header", `X-A: a\u0000${NEEDLE}`),
  line("a header name with a line feed", "X-\nA: a"),
  line("one header of 70 KB", `X-A: ${"a".repeat(70_000)}`, "headers_too_large"),
  line("headers of 2 MB", `X-A: ${"a".repeat(2 * MIB)}`, "headers_too_large"),
  line("3,000 headers", Array.from({ length: 3000 }, (_, i) => `X-${i}: a`).join("\r\n"), "headers_too_large"),
  raw("a target of 300 KB", `GET /${"a".repeat(300_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, "headers_too_large"),
  raw("CONNECT", "CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", "method_not_allowed"),
  raw("TRACE", `TRACE /health HTTP/1.1\r\nHost: x\r\nX-A: ${NEEDLE}\r\n\r\n`, "method_not_allowed"),
  raw("a method nobody knows", "BREW /health HTTP/1.1\r\nHost: x\r\n\r\n", "method_not_allowed"),
  raw("a method in small letters", "get /health HTTP/1.1\r\nHost: x\r\n\r\n", "method_not_allowed"),
  raw("OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"),
  raw("a target without a slash", "GET health HTTP/1.1\r\nHost: x\r\n\r\n"),
  raw("an absolute target without a host", "GET http:///health HTTP/1.1\r\nHost: x\r\n\r\n"),
  raw("an absolute target of another scheme", "GET file:///etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n"),
];

const TARGETS: readonly HostileCase[] = (
  [
    ["GET http://evil.example/health HTTP/1.1", 200],
    ["GET /../../etc/passwd HTTP/1.1", "route_not_found"],
    ["GET /..%2f..%2fetc%2fpasswd HTTP/1.1", "route_not_found"],
    [String.raw`GET /..\..\etc\passwd HTTP/1.1`, "route_not_found"],
    ["GET /.env HTTP/1.1", "route_not_found"],
    ["GET /.git/config HTTP/1.1", "route_not_found"],
    ["GET /secrets.json HTTP/1.1", "route_not_found"],
    ["GET /cdn-cgi/mf/reload HTTP/1.1", "route_not_found"],
    ["GET /%00 HTTP/1.1", "route_not_found"],
    ["GET /%zz%c0%ae HTTP/1.1", "route_not_found"],
    ["GET /\u00FF\u00FE HTTP/1.1", "route_not_found"],
    [`GET /%0d%0aSet-Cookie:%20${NEEDLE} HTTP/1.1`, "route_not_found"],
    [`GET /${NEEDLE} HTTP/1.1`, "route_not_found"],
    ["GET /v1/v1/models HTTP/1.1", "route_not_found"],
    ["GET /V1/MODELS HTTP/1.1", "route_not_found"],
    ["GET //v1/models HTTP/1.1", "route_not_found"],
    ["GET /v1/models/__proto__ HTTP/1.1", "model_not_found"],
    ["GET /v1/models/constructor/prototype HTTP/1.1", "model_not_found"],
    ["GET /v1/models/..%2f..%2fetc%2fpasswd HTTP/1.1", "model_not_found"],
    ["GET /v1/models/%ff%fe HTTP/1.1", "model_not_found"],
    [`GET /v1/models/${VALUE} HTTP/1.1`, "model_not_found"],
    ["GET /v1/keys/__proto__ HTTP/1.1", "object_not_found"],
    ["GET /v1/keys/%2e%2e%2faccount HTTP/1.1", "object_not_found"],
    [`GET /v1/usage?bucket_width=${VALUE} HTTP/1.1`, "invalid_value"],
    ["GET /v1/usage?start_time=١٢٣ HTTP/1.1", "invalid_value"],
    ["GET /v1/usage?limit=99999999999999999999 HTTP/1.1", "invalid_value"],
    ["GET /v1/usage?start_time=999999999999999&end_time=1 HTTP/1.1", "invalid_value"],
    ["GET /v1/usage?group_by=__proto__ HTTP/1.1", "invalid_value"],
    ["GET /v1/transactions?page=-1 HTTP/1.1", "invalid_value"],
    ["GET /v1/transactions?page=1'%20OR%201=1-- HTTP/1.1", "invalid_value"],
    [`GET /account?key=${NEEDLE} HTTP/1.1`, "invalid_api_key"],
    ["GET /v1/embeddings HTTP/1.1", "method_not_allowed"],
    ["PATCH /v1/embeddings HTTP/1.1", "method_not_allowed"],
    ["DELETE /v1/models HTTP/1.1", "method_not_allowed"],
    ["PUT /health HTTP/1.1", "method_not_allowed"],
    ["GET /health HTTP/1.1", 200],
  ] as const
).map(([requestLine, expect]) => ({ name: requestLine, send: ask(requestLine), expect }));

/** `credential` as these header lines, none of them ours. */
function credential(name: string, lines: HeaderLines, expect: Expected = "invalid_api_key"): HostileCase {
  return { name, send: embed(good, lines, ["Authorization"]), expect, closes: true };
}
const bearer = (value: string): HeaderLines => [["Authorization", value]];

const CREDENTIALS: readonly HostileCase[] = [
  credential("no key", [], "missing_api_key"),
  credential("an empty header", bearer(""), "missing_api_key"),
  credential("Bearer without a key", bearer("Bearer"), "missing_api_key"),
  credential("Basic", bearer(`Basic ${btoa(`user:${NEEDLE}`)}`), "missing_api_key"),
  credential("a key without Bearer", bearer(`gr-${NEEDLE}`), "missing_api_key"),
  credential("two words", bearer(`Bearer gr-a ${NEEDLE}`), "missing_api_key"),
  credential("somebody else's key", bearer(`Bearer sk-${NEEDLE}`)),
  credential("our prefix and nonsense", bearer(`Bearer gr-${NEEDLE}`)),
  credential("the right length and nonsense", bearer(`Bearer gr-${NEEDLE.padEnd(52, "0")}`)),
  credential("a key of all zs: too large a number", bearer(`Bearer gr-${"z".repeat(52)}`)),
  credential("a key of 10 KB", bearer(`Bearer gr-${"0".repeat(10_000)}`)),
  credential("a key with quotes", bearer(`Bearer "gr-${NEEDLE}"`)),
  credential("a key in a cookie", [["Cookie", `key=gr-${NEEDLE}`]], "missing_api_key"),
  credential("nonsense as x-api-key", [["X-Api-Key", NEEDLE]]),
  {
    name: "9 MB announced with a wrong key",
    send: embed(
      "",
      [...bearer(`Bearer gr-${NEEDLE}`), ["Content-Length", String(9 * MIB)]],
      ["Authorization", "Content-Length"],
    ),
    expect: "invalid_api_key",
    closes: true,
  },
  {
    name: "a good key without its last letter",
    send: ({ apiKey }) =>
      embed(good, bearer(`Bearer ${apiKey.slice(0, -1)}`), ["Authorization"])({ apiKey, adminKey: "" }),
    expect: "invalid_api_key",
    closes: true,
  },
  {
    name: "two good keys in two headers",
    send: ({ apiKey, adminKey }) => embed(good, bearer(`Bearer ${apiKey}`))({ apiKey, adminKey }),
    expect: ["missing_api_key", "invalid_api_key"],
    closes: true,
  },
  {
    name: "the operator's key for a customer's route",
    send: (keys) => embed(good, bearer(`Bearer ${keys.adminKey}`), ["Authorization"])(keys),
    expect: "invalid_api_key",
    closes: true,
  },
  {
    name: "a customer's key for an operator's route",
    send: ask("GET /admin/accounts/x HTTP/1.1"),
    expect: "invalid_api_key",
  },
  {
    name: "bearer in small letters",
    send: (keys) => embed(good, bearer(`bearer  ${keys.apiKey}`), ["Authorization"])(keys),
    expect: 200,
  },
  { name: "api-key", send: (keys) => embed(good, [["api-key", keys.apiKey]], ["Authorization"])(keys), expect: 200 },
];

function option(name: string, value: string, expect: Expected): HostileCase {
  return { name: `${name}: ${value.slice(0, 40)}`, send: embed(good, [[name, value]]), expect };
}
function type(value: string, expect: Expected): HostileCase {
  return {
    name: `Content-Type: ${value}`,
    send: embed(good, [["Content-Type", value]], ["Content-Type"]),
    expect,
  };
}

const OPTIONS: readonly HostileCase[] = [
  option("X-Max-Cost", "NaN", "invalid_header"),
  option("X-Max-Cost", "-1", "invalid_header"),
  option("X-Max-Cost", "1e999", "invalid_header"),
  option("X-Max-Cost", "0x1", "invalid_header"),
  option("X-Max-Cost", "0.0000000001", "invalid_header"),
  option("X-Max-Cost", "9".repeat(400), "invalid_header"),
  option("X-Max-Cost", VALUE, "invalid_header"),
  option("X-Max-Cost", "0", "max_cost_exceeded"),
  option("X-Require-Revision", "latest", "invalid_header"),
  option("X-Require-Revision", "F".repeat(16), "invalid_header"),
  option("X-Require-Revision", "f".repeat(32), "revision_changed"),
  option("X-Tier", VALUE, "invalid_header"),
  option("X-Tier", "__proto__", "invalid_header"),
  option("Idempotency-Key", "", ["invalid_header", 200]),
  option("Idempotency-Key", "two words", "invalid_header"),
  option("Idempotency-Key", "\u00E9", "invalid_header"),
  option("Idempotency-Key", "a".repeat(10_000), "invalid_header"),
  option("Idempotency-Key", "__proto__", 200),
  option("Idempotency-Key", `');DROP/**/TABLE/**/idempotency;--`, 200),
  option("Prefer", "wait=-1", 200),
  option("Prefer", "wait=99999999999999999999", 200),
  option("Prefer", `wait=${"9".repeat(4000)}`, 200),
  option("Cache-Control", `no-store${", no-store".repeat(500)}`, 200),
  option("traceparent", NEEDLE, 200),
  option("X-Request-Id", `"><script>${NEEDLE}`, 200),
  option("X-Request-Id", "a".repeat(10_000), 200),
  option("Expect", "100-continue", 200),
  option("Expect", NEEDLE, 200),
  option("Connection", "Upgrade", 200),
  option("Range", "bytes=0-1", 200),
  option("Accept", "image/png;q=1", 200),
  option("Accept-Encoding", "gzip;q=0, *;q=0", 200),
  option("CF-Connecting-IP", "not an address", 200),
  option("X-HTTP-Method-Override", "DELETE", 200),
  type("text/plain", "unsupported_media_type"),
  type("application/xml", "unsupported_media_type"),
  type("multipart/form-data; boundary=x", "unsupported_media_type"),
  type("application/jsonp", "unsupported_media_type"),
  type(NEEDLE, "unsupported_media_type"),
  type("application/json; charset=utf-16", 200),
  type("APPLICATION/JSON", 200),
  {
    name: "a preflight with hostile headers",
    send: () =>
      rawRequest("OPTIONS /v1/embeddings HTTP/1.1", [
        ["Host", "x"],
        ["Origin", "null"],
        ["Access-Control-Request-Method", "POST"],
        ["Access-Control-Request-Headers", "x-a, x-b"],
      ]),
    expect: 204,
  },
];

export const HTTP_CASES: readonly HostileCase[] = [...FRAMING, ...MESSAGES, ...TARGETS, ...CREDENTIALS, ...OPTIONS];
