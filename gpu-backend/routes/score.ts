// POST /score: a query and documents in, a score each out, all or none, or with faults in the places of bad documents where
// the call says so. POST /score/tokenize: the same pairs, their ids out.

import { apiError } from "../../shared/errors.ts";
import { type ScoreRequest, scoreRequestSchema } from "../../shared/wire.ts";
import type { Service } from "../service.ts";
import { tokenOf } from "../token-type.ts";
import type { TokenizedCall } from "../tokenizer/pool.ts";
import type { Call } from "./call.ts";
import { type CallSizes, checkModel, sendIds, sendRows, type ServiceOf } from "./embed.ts";
import { readFrame } from "./read-request.ts";

/** Answers `call` with a frame of scores. Throws ApiError, TextFault or CallerGone. */
export async function score(call: Call, serviceOf: ServiceOf, sizes: CallSizes): Promise<void> {
  const { header, service, tokenized } = await tokenizePairs(call, serviceOf, sizes, true);
  await sendRows(call, header, service, tokenized, (rows) => rows);
}

/** Answers `call` with a frame of token ids. Throws ApiError, TextFault or CallerGone. */
export async function tokenizeScore(call: Call, serviceOf: ServiceOf, sizes: CallSizes): Promise<void> {
  const { service, tokenized } = await tokenizePairs(call, serviceOf, sizes, false);
  const texts = tokenized.texts.map((ids) => ids.map(tokenOf));
  await sendIds(call, service, { ...tokenized, texts });
}

/** `needsRoom`: refuse before tokenising what the queue would refuse after it. */
async function tokenizePairs(
  call: Call,
  serviceOf: ServiceOf,
  sizes: CallSizes,
  needsRoom: boolean,
): Promise<{ header: ScoreRequest; service: Service; tokenized: TokenizedCall }> {
  const body = await call.stage("body", () => call.body());
  const header = await call.stage("decode", () => readPairs(body, sizes.textsMax));
  const service = serviceOf(header.model);
  checkModel(header, service, "reranker");
  const { account, tier, truncate, onError, instruction, query, documents } = header;
  if (instruction !== null && service.model.config.reranker?.prompt === undefined)
    throw apiError("incompatible_options", `${service.modelId} takes no instruction; leave it out.`);
  if (needsRoom) service.runner.checkRoom(account, tier);
  const pair = { instruction, query };
  const { callTokensMax: tokensMax } = sizes;
  const work = { account, tier, truncate, onError, prefix: "", pair, inputs: documents, tokensMax };
  const tokenized = await call.stage("tokenize", () =>
    call.withinDeadline((signal) => service.tokenizer.tokenize(work, signal)),
  );
  return { header, service, tokenized };
}

function readPairs(body: Uint8Array<ArrayBuffer>, textsMax: number): ScoreRequest {
  const { header, payload } = readFrame(body, scoreRequestSchema);
  if (payload.length > 0) throw apiError("invalid_request", "A score's call has no payload.");
  const { length } = header.documents;
  if (length === 0) throw apiError("empty_input", "A call needs at least one document.");
  if (length > textsMax)
    throw apiError("too_many_inputs", `The call has ${length} documents; the limit is ${textsMax}.`);
  return header;
}
