// One line of an input file in OpenAI's format: {"custom_id", "method": "POST", "url", "body"}. Faults of the line
// itself stop the batch before it begins (validate.ts); what is wrong with a body fails its line alone.

import type { BatchEndpoint } from "../../shared/schemas/batches.ts";
import { describe } from "../../shared/schemas/shown.ts";
import type { InputLine } from "./input-lines.ts";
import type { BatchFault } from "./types.ts";
import { BATCH_LIMITS } from "./types.ts";

export interface BatchLine {
  readonly customId: string;
  readonly body: Readonly<Record<string, unknown>>;
}

export type ParsedLine =
  | { readonly kind: "line"; readonly line: BatchLine }
  | { readonly kind: "fault"; readonly fault: BatchFault };

const FIELDS = new Set(["custom_id", "method", "url", "body"]);

/** Codes as OpenAI's where it has one. */
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
  if (typeof customId !== "string" || customId === "" || customId.length > BATCH_LIMITS.customIdLengthMax) {
    return fault(
      customId === undefined ? "missing_required_parameter" : "invalid_custom_id",
      `\`custom_id\` must be a string of 1 to ${BATCH_LIMITS.customIdLengthMax} characters, unique in the file.`,
      "custom_id",
    );
  }
  if (method !== "POST") {
    return fault(
      method === undefined ? "missing_required_parameter" : "invalid_method",
      `\`method\` must be "POST", not ${describe(method)}.`,
      "method",
    );
  }
  if (url !== endpoint) {
    return fault(
      url === undefined ? "missing_required_parameter" : "invalid_url",
      `\`url\` must be the batch's endpoint, "${endpoint}".`,
      "url",
    );
  }
  if (!isObject(body)) {
    return fault(
      body === undefined ? "missing_required_parameter" : "invalid_body",
      `\`body\` must be the JSON object of a request to ${endpoint}, not ${describe(body)}.`,
      "body",
    );
  }
  const unknown = Object.keys(value).find((name) => !FIELDS.has(name));
  if (unknown !== undefined) {
    return fault("unknown_parameter", `A line has ${[...FIELDS].join(", ")}, and nothing else.`, null);
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
