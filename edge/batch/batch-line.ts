// One line of an input file in OpenAI's format: {"custom_id", "method": "POST", "url", "body"}. A malformed line stops
// the batch before it begins (validate.ts); an invalid body fails only its own line.

import type { BatchEndpoint } from "../../shared/schemas/batches.ts";
import { describe, shown, shownName } from "../../shared/schemas/shown.ts";
import type { InputLine } from "./input-lines.ts";
import type { BatchFault } from "../files/batch-types.ts";
import { BATCH_LIMITS } from "../files/batch-types.ts";

export interface BatchLine {
  readonly customId: string;
  readonly body: Readonly<Record<string, unknown>>;
}

export type ParsedLine =
  | { readonly kind: "line"; readonly line: BatchLine }
  | { readonly kind: "fault"; readonly fault: BatchFault };

const FIELDS = new Set(["custom_id", "method", "url", "body"]);

/** Uses OpenAI's fault codes where OpenAI has one. */
export function parseBatchLine(input: InputLine, endpoint: BatchEndpoint): ParsedLine {
  const fault = (code: string, message: string, param: string | null = null): ParsedLine => ({
    kind: "fault",
    fault: { code, line: input.line, message, param },
  });
  if (input.bytes > BATCH_LIMITS.lineBytesMax) {
    return fault(
      "line_too_long",
      `The line has ${input.bytes} bytes; a line takes at most ${BATCH_LIMITS.lineBytesMax}.`,
    );
  }
  const value = parseObject(input.text);
  if (value === undefined) return fault("invalid_json_line", "The line is not a JSON object in UTF-8.");
  const { custom_id: customId, method, url, body } = value;
  /** The fault of a field that is missing or breaks `rule`. */
  const wrong = (field: string, code: string, rule: string, came: string): ParsedLine =>
    value[field] === undefined
      ? fault("missing_required_parameter", `\`${field}\` is missing: it must be ${rule}.`, field)
      : fault(code, `\`${field}\` must be ${rule}, not ${came}.`, field);
  const idMax = BATCH_LIMITS.customIdLengthMax;
  if (typeof customId !== "string" || customId === "" || customId.length > idMax) {
    const isLong = typeof customId === "string" && customId !== "";
    const rule = `a string of 1 to ${idMax} characters, unique in the file`;
    return wrong("custom_id", "invalid_custom_id", rule, isLong ? `${customId.length} characters` : shown(customId));
  }
  if (method !== "POST") return wrong("method", "invalid_method", '"POST"', shown(method));
  if (url !== endpoint) return wrong("url", "invalid_url", `the batch's endpoint, "${endpoint}"`, shown(url));
  if (!isObject(body)) {
    return wrong("body", "invalid_body", `the JSON object of a request to ${endpoint}`, describe(body));
  }
  const unknown = Object.keys(value).find((name) => !FIELDS.has(name));
  if (unknown !== undefined) {
    const known = [...FIELDS].join(", ");
    return fault(
      "unknown_parameter",
      `Unknown field \`${shownName(unknown)}\`: a line has ${known}, and nothing else.`,
    );
  }
  return { kind: "line", line: { customId: customId.toWellFormed(), body } };
}

function parseObject(text: string | undefined): Readonly<Record<string, unknown>> | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
