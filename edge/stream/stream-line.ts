// One line of a stream: a text (a JSON string, or an array of token ids), or an object with `input` and what is its own.
// Each is judged by itself.

import * as z from "zod";
import { FRAME_LIMITS } from "./frames.ts";
import type { CallText } from "../lib/call-text.ts";
import type { TakenLine } from "../lib/pending-line.ts";
import { ApiError, apiError } from "../../shared/errors.ts";
import type { Fault } from "../../shared/errors.ts";
import { parseBody } from "../../shared/schemas/fields.ts";
import { IDS_SCHEMA, idsItem } from "../../shared/schemas/input.ts";
import { describe } from "../../shared/schemas/shown.ts";
import { TEXT_SCHEMA, textItem } from "../../shared/schemas/texts.ts";
import { dimensionsField } from "../../shared/schemas/embeddings.ts";

const TEXT_RULE = "a string, or an array of token ids";
const ID_LENGTH_MAX = 512;
const ID_RULE = `a string of at most ${ID_LENGTH_MAX} characters, or a whole number`;

/** A line that is an object. What holds for all lines stands in the query. */
export const streamLineSchema = z.strictObject({
  id: z
    .union([z.string().max(ID_LENGTH_MAX), z.int()], { error: () => ID_RULE })
    .describe("Yours: it comes back with the line.")
    .optional(),
  input: z
    .unknown()
    .meta({ anyOf: [TEXT_SCHEMA, IDS_SCHEMA] })
    .describe("One text, or its token ids.")
    .optional(),
  dimensions: dimensionsField.describe("Of this line's vector; default: the query's.").optional(),
});

export interface StreamLine {
  /** Counted from 0 at the stream's beginning; blank lines count. */
  readonly index: number;
  readonly id: string | number | undefined;
  /** Undefined: the line is at fault. */
  readonly text: CallText | undefined;
  readonly dimensions: number | undefined;
  readonly fault: Fault | undefined;
}

export function parseStreamLine(taken: TakenLine): StreamLine {
  const index = taken.line - 1;
  const line = { index, id: undefined, text: undefined, dimensions: undefined, fault: undefined };
  let id: StreamLine["id"];
  try {
    const value = valueOf(taken);
    if (typeof value === "string" || Array.isArray(value)) return { ...line, text: textOf(value) };
    if (typeof value !== "object" || value === null) {
      throw apiError(
        "invalid_type",
        `A line must be ${TEXT_RULE}, or an object with \`input\`, not ${describe(value)}.`,
      );
    }
    id = idOf(value);
    const { input, dimensions } = parseBody(streamLineSchema, value);
    return { ...line, id, dimensions, text: textOf(input) };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { ...line, id, fault: error.fault };
  }
}

function textOf(input: unknown): CallText {
  if (typeof input === "string") return { kind: "text", text: textItem(input, "input") };
  if (input === undefined) throw apiError("missing_field", `\`input\` is missing: it must be ${TEXT_RULE}.`, "input");
  const [first]: readonly unknown[] = Array.isArray(input) ? input : [];
  if (Array.isArray(input) && (first === undefined || typeof first === "number")) {
    return { kind: "ids", ids: idsItem(input, "input") };
  }
  const rule = `\`input\` must be ${TEXT_RULE}, since a line is one text`;
  throw apiError("invalid_type", `${rule}, not ${describe(input)}.`, "input");
}

function valueOf({ text: json, bytes }: TakenLine): unknown {
  if (bytes > FRAME_LIMITS.lineBytes) {
    throw apiError("body_too_large", `The line has ${bytes} bytes; a line takes at most ${FRAME_LIMITS.lineBytes}.`);
  }
  if (json === undefined) throw apiError("invalid_json", "The line is not UTF-8.");
  try {
    return JSON.parse(json);
  } catch {
    throw apiError(
      "invalid_json",
      "The line is not JSON: it must be a string in quotes, an array of token ids, or an object.",
    );
  }
}

/** The line's own id, so that it comes back although the line is at fault. */
function idOf(value: object): StreamLine["id"] {
  const { success, data } = streamLineSchema.shape.id.safeParse(Reflect.get(value, "id"));
  return success ? data : undefined;
}
