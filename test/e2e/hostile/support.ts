// What a hostile case is, and the few builders that all lists of cases use.
import type { HeaderLines } from "./raw-http.ts";
import { rawRequest } from "./raw-http.ts";
import { FAKE_MODEL } from "../../support/edge-server.ts";
import type { ErrorCode } from "../../../shared/errors.ts";

/** In every text, instruction and credential of these cases: no answer may hold it. */
export const NEEDLE = "zebraquartz7731";

/** In fields that hold no text: an answer may name it, since it names the value that was wrong. */
export const VALUE = "ochre42";

export interface Keys {
  readonly apiKey: string;
  readonly adminKey: string;
}

export interface HostileCase {
  readonly name: string;
  readonly send: (keys: Keys) => Buffer;
  /** The code that must be answered, or 200 for what only looks hostile; several where the order of checks is free. */
  readonly expect: ErrorCode | 200 | 204 | readonly (ErrorCode | 200)[];
  /** The framing is broken, or the request is refused before its body: the connection need not live on. */
  readonly closes?: true;
  /** The answer to HEAD has no body to look into. */
  readonly noBody?: true;
}

export type Body = string | Buffer;

/** A call of POST /v1/embeddings with a good key; `extra` comes last, `without` names lines left out. */
export function embed(body: Body, extra: HeaderLines = [], without: readonly string[] = []): HostileCase["send"] {
  return ({ apiKey }) => {
    const lines: HeaderLines = [
      ["Host", "x"],
      ["Authorization", `Bearer ${apiKey}`],
      ["Content-Type", "application/json"],
      ["Content-Length", String(Buffer.byteLength(body))],
    ];
    const kept = lines.filter(([name]) => !without.includes(name));
    return rawRequest("POST /v1/embeddings HTTP/1.1", [...kept, ...extra], body);
  };
}

/** A good body with `fields` on top (`undefined` leaves one out), as JSON. */
export function bodyWith(fields: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ model: FAKE_MODEL, input: NEEDLE, ...fields });
}

/** A good body with raw JSON text for one field: for what `JSON.stringify` would not write. */
export function bodyRaw(field: string, json: string): string {
  const others = { model: FAKE_MODEL, input: NEEDLE, [field]: undefined };
  return `${JSON.stringify(others).slice(0, -1)},${JSON.stringify(field)}:${json}}`;
}

/** A request without a body, with a good key. */
export function ask(requestLine: string, extra: HeaderLines = []): HostileCase["send"] {
  return ({ apiKey }) => rawRequest(requestLine, [["Host", "x"], ["Authorization", `Bearer ${apiKey}`], ...extra]);
}
