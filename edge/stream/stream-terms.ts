// What holds for a whole stream: the options in its query, its headers, and where it begins. Read and checked before a
// byte of the body is.

import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";
import { callContext } from "../endpoints/endpoint.ts";
import type { CallContext, PreparedCall } from "../endpoints/endpoint.ts";
import { embeddings } from "../endpoints/embeddings.ts";
import { readCallOptions, requiredRevision } from "../metering/call-options.ts";
import type { CallOptions } from "../metering/call-options.ts";
import type { CallText } from "../lib/call-text.ts";
import { bodyHashOf } from "../metering/idempotent-call.ts";
import { usageOf } from "../metering/usage-answer.ts";
import { chargeOf, pricesOf } from "../models/pricing.ts";
import type { Encoding } from "../answer/embedding-text.ts";
import { must } from "../../shared/assert.ts";
import { encodeBase62 } from "../../shared/base62.ts";
import { ApiError, ERRORS, apiError } from "../../shared/errors.ts";
import type { Fault } from "../../shared/errors.ts";
import type { OutputDtype } from "../../shared/vectors.ts";
import type { TokenEncoding } from "../../shared/wire.ts";
import { readResumeToken } from "./resume-token.ts";
import type { ResumePoint } from "./resume-token.ts";

export interface StreamTerms {
  /** A call of one text under these options: all frames are made after it. */
  readonly sample: PreparedCall;
  /** Why a line may not be a text, or token ids, under these options; undefined: it may. */
  readonly refused: Readonly<Record<CallText["kind"], Fault | undefined>>;
  /** Of token ids that are not the model's own. */
  readonly encoding: TokenEncoding | undefined;
  readonly context: CallContext;
  readonly options: CallOptions;
  readonly output: Output;
  /** Nothing of the stream can have been charged before. */
  readonly isNew: boolean;
  /** Where the body begins. */
  readonly start: ResumePoint;
}

/** How vectors are written. */
export interface Output {
  /** Undefined: the model's own. */
  readonly dimensions: number | undefined;
  readonly dtype: OutputDtype;
  readonly encoding: Encoding;
}

const SAMPLES = { text: "a", ids: [0] } as const;
const NAME_LENGTH = 32;
const INTEGER_FIELDS = new Set(["dimensions", "output_dimension"]);
const BOOLEAN_FIELDS = new Set(["truncation", "normalize"]);

const encoder = new TextEncoder();

/** Throws ApiError, also for an unknown model. */
export async function readStreamTerms(c: Context): Promise<StreamTerms> {
  const { config, pool, models } = c.get("services");
  const options = readCallOptions(c);
  const { resume, ...query } = c.req.query();
  const context = callContext({ pool, models, waitUntil: waitUntilOf(c) });
  const samples = await samplesOf(bodyOf(query), context);
  const { sample } = samples;
  c.set("called", { model: sample.model.id, tier: options.tier });
  const hash = (text: string) => bodyHashOf(config.CACHE_HMAC_KEY, encoder.encode(text));
  const { encoding } = samples;
  const asked = [sample.model.id, sample.prefix, sample.truncate, ...(encoding === undefined ? [] : [encoding])];
  const terms = await hash(JSON.stringify(asked));
  const revision = requiredRevision(options, sample.revision);
  const { idempotencyKey } = options;
  const isNew = resume === undefined && idempotencyKey === undefined;
  const common = { ...samples, context, options, output: outputOf(sample), isNew };
  if (resume === undefined) {
    const stream =
      idempotencyKey === undefined
        ? encodeBase62(crypto.getRandomValues(new Uint8Array(16)))
        : (await hash(`stream under ${idempotencyKey}`)).slice(0, NAME_LENGTH);
    return { ...common, start: { stream, line: 0, terms, revision } };
  }
  const point = await readResumeToken(config.CACHE_HMAC_KEY, c.get("key").accountId, resume, Date.now());
  if (point.terms !== terms) {
    throw apiError(
      "incompatible_options",
      "The stream of this `resume` was begun with another model, prompt or truncation: send the same options.",
      "resume",
    );
  }
  return { ...common, start: { ...point, revision: revision ?? point.revision } };
}

/** A call of a text under the options of `body`, or where there can be none, of token ids. Throws ApiError. */
async function samplesOf(
  body: object,
  context: CallContext,
): Promise<Pick<StreamTerms, "sample" | "refused" | "encoding">> {
  const [text, ids] = await Promise.all([prepared(body, "text", context), prepared(body, "ids", context)]);
  const sample = text.call ?? ids.call;
  if (sample === undefined) throw new ApiError(must(text.fault, "why there is no call"));
  const [first] = ids.call?.texts ?? [];
  const encoding = first?.kind === "ids" ? first.encoding : undefined;
  return { sample, encoding, refused: { text: text.fault, ids: ids.fault } };
}

async function prepared(
  body: object,
  kind: CallText["kind"],
  context: CallContext,
): Promise<{ readonly call?: PreparedCall; readonly fault?: Fault }> {
  try {
    return { call: await embeddings.prepare({ ...body, input: SAMPLES[kind] }, context) };
  } catch (error) {
    if (!(error instanceof ApiError) || ERRORS[error.fault.code].retry) throw error;
    return { fault: error.fault };
  }
}

/** As the call's own answer would be written. */
function outputOf(sample: PreparedCall): Output {
  const { body } = sample.answer([], {
    callId: "",
    usage: usageOf(chargeOf(pricesOf(sample.model, "interactive"), [])),
    dimensions: 0,
  });
  if (body.kind !== "embeddings") throw new TypeError("embeddings answer vectors");
  const { dimensions, dtype, encoding } = body;
  return { dimensions: dimensions === 0 ? undefined : dimensions, dtype, encoding };
}

/** The body of a JSON call with the options of a query, but for its `input`. */
function bodyOf(query: Readonly<Record<string, string>>): object {
  if (query["input"] !== undefined) {
    throw apiError("unknown_field", "`input` belongs in the lines of the body, not in the query.", "input");
  }
  const fields = Object.entries(query).map(([name, value]) => [name, valueOf(name, value)]);
  return { on_error: "per_item", ...Object.fromEntries(fields) };
}

function valueOf(name: string, value: string): unknown {
  if (INTEGER_FIELDS.has(name) && /^\d{1,9}$/.test(value)) return Number(value);
  if (BOOLEAN_FIELDS.has(name) && (value === "true" || value === "false")) return value === "true";
  return value;
}
