// What is hostile outside of a JSON body: headers, paths, queries, and the lines of a batch's file.

import type { Attack } from "./inputs.ts";

/** Of bytes that a header may hold; each is repeated. */
export const HEADER_UNITS: Readonly<Record<string, string>> = {
  "one letter": "a",
  spaces: "a ",
  commas: ",",
  semicolons: ";",
  parameters: ";a=b",
  weights: "a;q=0.1,",
  quotes: '"',
  backslashes: "\\",
  "equals signs": "=",
  "percent signs": "%",
  digits: "9",
  dashes: "00-",
  "beginnings of keys": "gr-",
  "bytes over 127": "\u00ff",
};

/** Whatever a route or its middleware reads. */
export const HEADER_NAMES = [
  "authorization",
  "x-api-key",
  "idempotency-key",
  "x-max-cost",
  "x-tier",
  "prefer",
  "cache-control",
  "x-request-id",
  "traceparent",
  "content-type",
  "content-encoding",
  "accept",
  "accept-encoding",
  "cookie",
  "origin",
  "stripe-signature",
  "user-agent",
] as const;

/** Under the 16 KB that Node takes of a request's line and headers. */
const HEADER_BYTES = 14_000;
const PATH_BYTES = 14_000;

/** In place of what would be there: of `authorization` the call is then nobody's. */
export function headerAttack(name: string, unit: string, model: string): Attack {
  const value = unit.repeat(HEADER_BYTES / unit.length);
  return {
    path: "/v1/embeddings",
    body: JSON.stringify({ model, input: "a" }),
    headers: { [name]: name === "authorization" ? `Bearer ${value}` : value },
  };
}

export const PATH_UNITS: Readonly<Record<string, string>> = {
  "one letter": "a",
  slashes: "/",
  "short segments": "a/",
  dots: "../",
  "encoded dots": "%2e%2e/",
  "encoded slashes": "%2f",
  "encoded NULs": "%00",
  "broken encodings": "%",
  "encoded letters": "%61",
  colons: ":",
};

/** Before what is repeated; queries end in their mark. */
export const PATHS = ["/", "/v1/", "/v1/models/", "/v1/keys/", "/models/a/", "/assets/", "/admin/accounts/"] as const;
export const QUERIES: Readonly<Record<string, string>> = {
  "one value": "a",
  "values of one name": "&group_by=model",
  "names alone": "&a",
  lists: "model,",
  "encoded letters": "%61",
  "plus signs": "+",
  brackets: "&group_by[]=key",
};

export function pathAttack(prefix: string, unit: string): Attack {
  return { path: prefix + unit.repeat(PATH_BYTES / unit.length), method: "GET", body: "" };
}

export function queryAttack(unit: string): Attack {
  return pathAttack("/v1/usage?group_by=", unit);
}

/** Where a text may stand in a line; the rest of the line is as it should be. */
export const LINE_FIELDS: Readonly<Record<string, (model: string, text: string) => object>> = {
  "a custom_id": (model, text) => ({ ...line(model, "a"), custom_id: text }),
  "a URL": (model, text) => ({ ...line(model, "a"), url: text }),
  "a field's name": (model, text) => ({ ...line(model, "a"), [text]: 1 }),
  "a model's name": (_, text) => line(text, "a"),
  "a text": (model, text) => line(model, text),
};

function line(model: string, input: string): { custom_id: string; method: string; url: string; body: object } {
  return { custom_id: "a", method: "POST", url: "/v1/embeddings", body: { model, input } };
}

/** A file of about `bytes` of which each line has `lineBytes` of `unit` in its field. */
export function linesOf(field: string, model: string, unit: string, bytes: number, lineBytes: number): string {
  const make = LINE_FIELDS[field];
  if (make === undefined) throw new Error(`no field ${field}`);
  const text = unit.repeat(Math.max(1, Math.floor(lineBytes / Buffer.byteLength(unit))));
  const one = JSON.stringify(make(model, text));
  const count = Math.max(1, Math.floor(bytes / Buffer.byteLength(one)));
  const lines = Array.from({ length: count }, (_, nth) => one.replace('"custom_id":"a"', `"custom_id":"${nth}"`));
  return lines.join("\n");
}

/** Files of `bytes`, about, that are no lines of requests. */
export const FILES: Readonly<Record<string, (bytes: number) => string>> = {
  "arrays in arrays": (bytes) => "[".repeat(bytes),
  "objects in objects": (bytes) => '{"a":'.repeat(bytes / 5),
  "lines of one bracket": (bytes) => "{\n".repeat(Math.min(40_000, bytes / 2)),
  "blank lines": (bytes) => `${"\n".repeat(bytes)}{}`,
  "one field again and again": (bytes) => `{${'"custom_id":"a",'.repeat(bytes / 16)}"a":1}`,
  "escapes alone": (bytes) => `{"custom_id":"${String.raw`\u0041`.repeat(bytes / 6)}"}`,
};
