// One line of a stream: a JSON string, or an object with `input` and what is its own. Each is judged by itself.

import * as z from "zod";
import { FRAME_LIMITS } from "./frames.ts";
import type { TakenLine } from "../lib/pending-line.ts";
import { ApiError, apiError } from "../../shared/errors.ts";
import type { Fault } from "../../shared/errors.ts";
import { parseBody, text } from "../../shared/schemas/fields.ts";
import { describe } from "../../shared/schemas/shown.ts";
import { textItem } from "../../shared/schemas/texts.ts";
import { dimensionsField } from "../../shared/schemas/embeddings.ts";

const ID_LENGTH_MAX = 512;
const ID_RULE = `a string of at most ${ID_LENGTH_MAX} characters, or a whole number`;

/** A line that is an object. What holds for all lines stands in the query. */
export const streamLineSchema = z.strictObject({
  id: z
    .union([z.string().max(ID_LENGTH_MAX), z.int()], { error: () => ID_RULE })
    .describe("Yours: it comes back with the line.")
    .optional(),
  input: text("a string").describe("The text; of at least one character."),
  dimensions: dimensionsField.describe("Of this line's vector; default: the query's.").optional(),
});

export interface StreamLine {
  /** Counted from 0 at the stream's beginning; blank lines count. */
  readonly index: number;
  readonly id: string | number | undefined;
  /** Undefined: the line is at fault. */
  readonly text: string | undefined;
  readonly dimensions: number | undefined;
  readonly fault: Fault | undefined;
}

export function parseStreamLine(taken: TakenLine): StreamLine {
  const index = taken.line - 1;
  const line = { index, id: undefined, text: undefined, dimensions: undefined, fault: undefined };
  let id: StreamLine["id"];
  try {
    const value = valueOf(taken);
    if (typeof value === "string") return { ...line, text: textItem(value, "input") };
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw apiError(
        "invalid_type",
        `A line must be a JSON string, or an object with \`input\`, not ${describe(value)}.`,
      );
    }
    id = idOf(value);
    const { input, dimensions } = parseBody(streamLineSchema, value);
    return { ...line, id, dimensions, text: textItem(input, "input") };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { ...line, id, fault: error.fault };
  }
}

function valueOf({ text: json, bytes }: TakenLine): unknown {
  if (bytes > FRAME_LIMITS.lineBytes) {
    throw apiError("body_too_large", `The line has ${bytes} bytes; a line takes at most ${FRAME_LIMITS.lineBytes}.`);
  }
  if (json === undefined) throw apiError("invalid_json", "The line is not UTF-8.");
  try {
    return JSON.parse(json);
  } catch {
    throw apiError("invalid_json", "The line is not JSON: it must be a string in quotes, or an object.");
  }
}

/** The line's own id, so that it comes back although the line is at fault. */
function idOf(value: object): StreamLine["id"] {
  const { success, data } = streamLineSchema.shape.id.safeParse(Reflect.get(value, "id"));
  return success ? data : undefined;
}
