// The body of /embed and /tokenize: frame → schema → the texts and token ids it carries. Whatever is wrong with it
// becomes one ApiError or TextFault that names the text.

import type * as z from "zod";

import { apiError } from "../../shared/errors.ts";
import { decodeFrame } from "../../shared/frame.ts";
import { type EmbedRequest, embedRequestSchema } from "../../shared/wire.ts";
import type { TokenizerInput } from "../tokenizer/messages.ts";
import { TextFault } from "../tokenizer/text-fault.ts";

export interface ReadRequest {
  readonly header: EmbedRequest;
  readonly inputs: readonly TokenizerInput[];
}

/** Throws ApiError or TextFault. */
export function readRequest(body: Uint8Array<ArrayBuffer>, textsMax: number): ReadRequest {
  const { header, payload } = readFrame(body, embedRequestSchema);
  const { texts } = header;
  if (texts.length === 0) throw apiError("empty_input", "A call needs at least one text.");
  if (texts.length > textsMax) {
    throw apiError("too_many_inputs", `The call has ${texts.length} texts; the limit is ${textsMax}.`);
  }
  return { header, inputs: inputsOf(header, payload) };
}

/** A frame whose header is what `schema` says. Throws ApiError. */
export function readFrame<Schema extends z.ZodType>(
  body: Uint8Array<ArrayBuffer>,
  schema: Schema,
): { readonly header: z.infer<Schema>; readonly payload: Uint8Array<ArrayBuffer> } {
  const frame = decodeFrame(body);
  if (frame.kind === "broken") throw apiError("invalid_request", `The frame cannot be read: ${frame.reason}.`);
  const parsed = schema.safeParse(frame.header);
  if (parsed.success) return { header: parsed.data, payload: frame.payload };
  const issue = parsed.error.issues[0];
  throw apiError(
    "invalid_request",
    `The header's ${issue?.path.join(".") ?? ""} is not right: ${issue?.message ?? ""}.`,
  );
}

function inputsOf({ texts, prefix }: EmbedRequest, payload: Uint8Array<ArrayBuffer>): TokenizerInput[] {
  let offset = 0;
  const inputs = texts.map((text, index) => {
    if (text === "" || text === 0) throw textFault("empty_input", "The text is empty.", index);
    if (typeof text === "string") return text;
    if (prefix !== "") {
      throw textFault("incompatible_options", "An instruction cannot be put before token ids.", index);
    }
    const end = offset + text * Uint32Array.BYTES_PER_ELEMENT;
    if (end > payload.length)
      throw apiError("invalid_request", "The payload has fewer token ids than the header says.");
    // A copy of its own: what goes to a thread takes its whole buffer along.
    const ids = new Uint32Array(payload.slice(offset, end).buffer);
    offset = end;
    return ids;
  });
  if (offset !== payload.length)
    throw apiError("invalid_request", "The payload has more token ids than the header says.");
  return inputs;
}

function textFault(code: "empty_input" | "incompatible_options", message: string, index: number): TextFault {
  return new TextFault({ code, message, index, facts: {}, retryAfterS: null });
}
