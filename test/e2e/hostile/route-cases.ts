// Hostile calls of the other routes: every route that reads a body, uploads, addresses that point inward, and ids.
import type { Body, HostileCase } from "./support.ts";
import { NEEDLE, VALUE } from "./support.ts";
import type { HeaderLines } from "./raw-http.ts";
import { rawRequest } from "./raw-http.ts";

type Expected = HostileCase["expect"];

const JSON_TYPE: HeaderLines = [["Content-Type", "application/json"]];

/** A call of any route, by a customer's key or, below /admin, the operator's. */
function send(requestLine: string, body: Body, lines: HeaderLines = JSON_TYPE): HostileCase["send"] {
  return ({ apiKey, adminKey }) =>
    rawRequest(
      `${requestLine} HTTP/1.1`,
      [
        ["Host", "x"],
        ["Authorization", `Bearer ${requestLine.includes("/admin/") ? adminKey : apiKey}`],
        ["Content-Length", String(Buffer.byteLength(body))],
        ...lines,
      ],
      body,
    );
}

function post(requestLine: string, name: string, body: unknown, expect: Expected): HostileCase {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return { name: `${requestLine}: ${name}`, send: send(requestLine, text), expect };
}

const ACCOUNT = "/admin/accounts/acct_00000000000000";
const READERS = [
  "POST /v1/similarity",
  "POST /v1/rerank",
  "POST /v2/rerank",
  "POST /v1/tokenize",
  "POST /v1/batches",
  "POST /v1/keys",
  "POST /v1/keys/report-leak",
  "POST /v1/alerts",
  "POST /v1/webhooks",
  "PATCH /v1/webhooks/wh_00000000000000",
  "POST /v1/webhooks/wh_00000000000000/rotate",
  "PATCH /v1/keys/key_00000000000000",
  "PATCH /v1/account",
  "POST /admin/accounts",
  `POST ${ACCOUNT}/grants`,
  `POST ${ACCOUNT}/keys`,
  `PATCH ${ACCOUNT}`,
  "PUT /admin/models/owner/fake-model",
];

const EVERY_READER: readonly HostileCase[] = READERS.flatMap((route) => [
  post(route, "broken JSON", `{"name":"${NEEDLE}"`, "invalid_json"),
  post(route, "an array 10,000 deep", "[".repeat(10_000) + "]".repeat(10_000), ["invalid_type", "body_too_large"]),
  post(route, "a field named __proto__", `{"__proto__":{"name":"${NEEDLE}"}}`, ["unknown_field", "missing_field"]),
  post(route, "9 MB", `{"name":"${"a".repeat(9 * 1024 * 1024)}"}`, "body_too_large"),
]).map((hostile) => ({ ...hostile, ...(hostile.name.endsWith("9 MB") ? { closes: true as const } : {}) }));

const model = "owner/fake-model";
const many = (count: number): readonly string[] => Array.from({ length: count }, () => "a");

const TEXT_ROUTES: readonly HostileCase[] = [
  post("POST /v1/rerank", "no documents", { model, query: NEEDLE, documents: [] }, ["empty_input", "invalid_value"]),
  post("POST /v1/rerank", "an empty document", { model, query: NEEDLE, documents: [NEEDLE, ""] }, "empty_input"),
  post("POST /v1/rerank", "a document without text", { model, query: NEEDLE, documents: [{ title: NEEDLE }] }, [
    "missing_field",
    "invalid_type",
    "unknown_field",
  ]),
  post("POST /v1/rerank", "a document of null", { model, query: NEEDLE, documents: [null] }, "invalid_type"),
  post("POST /v1/rerank", "2,048 documents", { model, query: NEEDLE, documents: many(2048) }, "too_many_inputs"),
  post(
    "POST /v1/rerank",
    "a negative top_n",
    { model, query: NEEDLE, documents: [NEEDLE], top_n: -1 },
    "invalid_value",
  ),
  post("POST /v1/rerank", "a query of numbers", { model, query: [1, 2], documents: [NEEDLE] }, "invalid_type"),
  post("POST /v2/rerank", "a lone surrogate", `{"model":"${model}","query":"\\ud800","documents":["\\udc00"]}`, 200),
  post("POST /v1/similarity", "neither pairs nor source", { model }, ["missing_field", "invalid_request"]),
  post("POST /v1/similarity", "pairs and source", { model, pairs: [["a", "b"]], source: NEEDLE, targets: ["a"] }, [
    "incompatible_options",
    "invalid_request",
  ]),
  post("POST /v1/similarity", "a pair of three", { model, pairs: [[NEEDLE, NEEDLE, NEEDLE]] }, "invalid_type"),
  post(
    "POST /v1/similarity",
    "1,025 pairs",
    { model, pairs: many(1025).map((text) => [text, text]) },
    "too_many_inputs",
  ),
  post(
    "POST /v1/tokenize",
    "a million empty texts",
    { model, input: many(1_000_000).map(() => "") },
    "too_many_tokens",
  ),
  post("POST /v1/tokenize", "token ids beyond 32 bits", { model, input: [2 ** 40] }, "invalid_token_id"),
];

const KEYS: readonly HostileCase[] = [
  post("POST /v1/keys", "a name of 1 MB", { name: "n".repeat(60_000) }, "invalid_value"),
  post("POST /v1/keys", "a scope nobody knows", { scopes: [VALUE] }, "invalid_value"),
  post("POST /v1/keys", "scopes as text", { scopes: VALUE }, "invalid_type"),
  post("POST /v1/keys", "10,000 addresses", { ip_allow: many(10_000) }, "invalid_value"),
  post("POST /v1/keys", "no address", { ip_allow: [VALUE] }, "invalid_value"),
  post("POST /v1/keys", "an expiry beyond 2100", { expires_at: 1e15 }, "invalid_value"),
  post("POST /v1/keys", "a negative cap", { cap_nano_usd: -1 }, "invalid_value"),
  post("POST /v1/keys", "a cap beyond the integers", `{"cap_nano_usd":9007199254740993}`, [
    "invalid_value",
    "invalid_type",
  ]),
  post("PATCH /v1/keys/key_00000000000000", "a key nobody has", { name: "a" }, "object_not_found"),
  post("DELETE /v1/keys/__proto__", "no id", "", "object_not_found"),
  post("POST /v1/keys/%2e%2e/rotate", "a path for an id", {}, ["object_not_found", "route_not_found"]),
];

/** Where a webhook may not point: the edge's own network. */
const INWARD = [
  "http://example.com/",
  "https://127.0.0.1/",
  "https://localhost/",
  "https://[::1]/",
  "https://[::ffff:127.0.0.1]/",
  "https://10.0.0.1/",
  "https://169.254.169.254/latest/meta-data/",
  "https://2130706433/",
  "https://0x7f.1/",
  "https://127.1/",
  "https://user:password@example.com/",
  "file:///etc/passwd",
  "javascript:alert(1)",
  "https://",
  NEEDLE,
];
const WEBHOOKS: readonly HostileCase[] = [
  ...INWARD.map((url) => post("POST /v1/webhooks", url === NEEDLE ? "no URL" : url, { url }, "invalid_value")),
  post("POST /v1/webhooks", "an event nobody knows", { url: "https://example.com/", events: [VALUE] }, "invalid_value"),
  post("POST /v1/alerts", "a threshold that is no amount", { kind: "balance_below", threshold_usd: VALUE }, [
    "invalid_value",
    "invalid_type",
  ]),
  post("POST /v1/alerts", "a threshold beyond the floats", `{"kind":"balance_below","threshold_usd":1e400}`, [
    "invalid_value",
    "invalid_type",
  ]),
];

const OPERATOR: readonly HostileCase[] = [
  post("POST /admin/accounts", "no name", {}, "missing_field"),
  post("POST /admin/accounts", "an address that is none", { name: "a", email: VALUE }, [
    "invalid_value",
    "invalid_type",
  ]),
  post(`POST ${ACCOUNT}/grants`, "an account nobody has", { amount_usd: 1, kind: "free" }, "object_not_found"),
  post(`POST ${ACCOUNT}/grants`, "a negative amount", { amount_usd: -5, kind: "free" }, "invalid_value"),
  post(`POST ${ACCOUNT}/grants`, "ten decimals", { amount_usd: "0.0000000001", kind: "free" }, "invalid_value"),
  post(
    `POST ${ACCOUNT}/grants`,
    "two amounts",
    { amount_usd: 1, amount_nano_usd: 1, kind: "free" },
    "incompatible_options",
  ),
  post(
    "PUT /admin/models/owner/fake-model",
    "a price as text",
    { price_nano_usd_per_million_tokens: VALUE },
    "invalid_type",
  ),
  post("PUT /admin/models/nobody/knows", "a model nobody knows", { price_nano_usd_per_million_tokens: 1 }, [
    "model_not_found",
    "missing_field",
  ]),
];

const form = (boundary: string): HeaderLines => [["Content-Type", `multipart/form-data; boundary=${boundary}`]];
const part = (name: string, content: string, more = ""): string =>
  `--b\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${content}\r\n`;
const file = part("file", NEEDLE, '; filename="in.jsonl"');
const purpose = part("purpose", "batch");

function upload(name: string, body: string, expect: Expected, lines: HeaderLines = form("b")): HostileCase {
  return { name: `an upload: ${name}`, send: send("POST /v1/files", body, lines), expect, closes: true };
}
const FILES: readonly HostileCase[] = [
  upload("JSON", `{"file":"${NEEDLE}"}`, "unsupported_media_type", JSON_TYPE),
  upload("without a boundary", file, "invalid_request", [["Content-Type", "multipart/form-data"]]),
  upload("a boundary of 100 letters", file, "invalid_request", form("b".repeat(100))),
  upload("nothing", "", ["invalid_request", "missing_field"]),
  upload("that never ends", file, "invalid_request"),
  upload("another boundary", file.replaceAll("--b", "--c"), "invalid_request"),
  upload("without a file", `${purpose}--b--\r\n`, "missing_field"),
  upload("without a purpose", `${file}--b--\r\n`, "missing_field"),
  upload("a purpose nobody knows", `${part("purpose", VALUE)}${file}--b--\r\n`, "invalid_value"),
  upload("two files", `${purpose}${file}${file}--b--\r\n`, "invalid_value"),
  upload("a field nobody knows", `${purpose}${part("fiel", NEEDLE)}${file}--b--\r\n`, "unknown_field"),
  upload("a field named __proto__", `${purpose}${part("__proto__", NEEDLE)}${file}--b--\r\n`, "unknown_field"),
  upload("a field of 1 MB", `${part("purpose", "b".repeat(1024 * 1024))}${file}--b--\r\n`, [
    "invalid_value",
    "body_too_large",
  ]),
  upload(
    "a part without a name",
    `--b\r\nContent-Disposition: form-data\r\n\r\n${NEEDLE}\r\n--b--\r\n`,
    "invalid_request",
  ),
  upload("part headers of 1 MB", `--b\r\nX: ${"a".repeat(1024 * 1024)}\r\n\r\n\r\n--b--\r\n`, "invalid_request"),
  upload("100 parts", `${Array.from({ length: 100 }, () => part("purpose", "batch")).join("")}--b--\r\n`, [
    "invalid_value",
    "invalid_request",
  ]),
  {
    name: "an upload: 300 MB announced",
    send: ({ apiKey }) =>
      rawRequest("POST /v1/files HTTP/1.1", [
        ["Host", "x"],
        ["Authorization", `Bearer ${apiKey}`],
        ["Content-Length", String(300 * 1024 * 1024)],
        ...form("b"),
      ]),
    expect: "body_too_large",
    closes: true,
  },
  post(
    "POST /v1/batches",
    "a file nobody has",
    { input_file_id: NEEDLE, endpoint: "/v1/embeddings", completion_window: "24h" },
    ["object_not_found", "invalid_value"],
  ),
  post(
    "POST /v1/batches",
    "another endpoint",
    { input_file_id: "a", endpoint: "/admin/accounts", completion_window: "24h" },
    "invalid_value",
  ),
  post("GET /v1/files/..%2f..%2fsecrets.json/content", "a path for an id", "", "object_not_found"),
  post("DELETE /v1/files/__proto__", "no id", "", "object_not_found"),
  post("POST /v1/batches/constructor/cancel", "no id", "", "object_not_found"),
];

export const ROUTE_CASES: readonly HostileCase[] = [
  ...EVERY_READER,
  ...TEXT_ROUTES,
  ...KEYS,
  ...WEBHOOKS,
  ...OPERATOR,
  ...FILES,
];
