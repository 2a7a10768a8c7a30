// POST /embed: texts in, canonical vectors out, all or none, or with faults in the places of bad texts where the call
// says so. POST /tokenize: the same texts, their ids out.

import { must } from "../../shared/assert.ts";
import { apiError } from "../../shared/errors.ts";
import { encodeFrame } from "../../shared/frame.ts";
import {
  type BackendReady,
  type EmbedAnswer,
  type EmbedRequest,
  type ItemFault,
  type ScoreAnswer,
  type TokenizeAnswer,
  WIRE_VERSION,
} from "../../shared/wire.ts";
import { rowFormOf } from "../engine/row-form.ts";
import type { EmbeddedCall } from "../scheduler/runner.ts";
import type { Service } from "../service.ts";
import type { TokenizedCall } from "../tokenizer/pool.ts";
import type { Call } from "./call.ts";
import { readRequest } from "./read-request.ts";

export interface CallSizes {
  readonly textsMax: number;
  readonly callTokensMax: number;
}

/** The service of a model by its name. Throws ApiError where there is none. */
export type ServiceOf = (model: string) => Service;

/** Answers `call` with a frame of vectors. Throws ApiError, TextFault or CallerGone. */
export async function embed(call: Call, serviceOf: ServiceOf, sizes: CallSizes): Promise<void> {
  const { header, service, tokenized } = await tokenizeCall(call, serviceOf, sizes, true);
  const { dimensions } = service.model.config;
  await sendRows(call, header, service, tokenized, (rows): EmbedAnswer => ({ ...rows, dimensions }));
}

/** Computes the rows (vectors, or scores) of the texts that have ids, and answers `call` with them in the frame of `answerOf`. */
export async function sendRows(
  call: Call,
  header: Pick<EmbedRequest, "account" | "tier" | "onError">,
  service: Service,
  tokenized: TokenizedCall,
  answerOf: (rows: ScoreAnswer) => ScoreAnswer,
): Promise<void> {
  const { texts, truncated } = tokenized;
  const { words } = rowFormOf(service.model.config);
  // The rows, and the frame that carries a copy of them.
  call.hold(2 * texts.length * words * Uint16Array.BYTES_PER_ELEMENT);
  const { faults, ...done } = await embedGood(call, header, tokenized, service.runner, words);
  call.stages.set("queue", done.queueMs);
  call.stages.set("run", done.runMs);
  const frame = await call.stage("encode", () => {
    const bad = new Set(faults.map(({ index }) => index));
    const answer = answerOf({
      version: WIRE_VERSION,
      revision: service.model.revision,
      tokens: texts.map((ids, index) => (bad.has(index) ? 0 : ids.length)),
      truncated: [...truncated],
      ...(faults.length > 0 && { faults }),
      load: { queueSeconds: service.runner.queueSeconds() },
      timings: { tokenizeMs: call.stages.get("tokenize") ?? 0, queueMs: done.queueMs, runMs: done.runMs },
    });
    return encodeFrame(JSON.stringify(answer), new Uint8Array(done.vectors.buffer));
  });
  call.sendFrame(frame);
}

/**
 * Rows (vectors, or scores), of `words` each, of the texts that have ids; of those alone that have a row. Faults are by the
 * texts of the call.
 */
async function embedGood(
  call: Call,
  { account, tier, onError }: Pick<EmbedRequest, "account" | "tier" | "onError">,
  { texts, faults }: TokenizedCall,
  runner: Service["runner"],
  words: number,
): Promise<Omit<EmbeddedCall, "faults"> & { readonly faults: ItemFault[] }> {
  const without = new Set(faults.map(({ index }) => index));
  const places = [...texts.keys()].filter((index) => !without.has(index));
  if (places.length === 0) return { vectors: new Uint16Array(), queueMs: 0, runMs: 0, faults: [...faults] };
  const good = places.flatMap((place) => texts[place] ?? []);
  const deadlineMs = call.deadlineLeftMs();
  const done = await runner.embed({ account, tier, onError, texts: good, deadlineMs }, call.signal);
  const more = done.faults.map((fault) => ({ ...fault, index: must(places[fault.index], "a text of the call") }));
  return {
    ...done,
    vectors: goodRows(done, words),
    faults: [...faults, ...more].toSorted((a, b) => a.index - b.index),
  };
}

/** The rows of the texts that have one. */
function goodRows({ vectors, faults }: EmbeddedCall, words: number): Uint16Array<ArrayBuffer> {
  if (faults.length === 0) return vectors;
  const bad = new Set(faults.map(({ index }) => index));
  const good = new Uint16Array(vectors.length - faults.length * words);
  let row = 0;
  for (let index = 0; index * words < vectors.length; index += 1) {
    if (bad.has(index)) continue;
    good.set(vectors.subarray(index * words, (index + 1) * words), row * words);
    row += 1;
  }
  return good;
}

/** Answers `call` with a frame of token ids. Throws ApiError, TextFault or CallerGone. */
export async function tokenize(call: Call, serviceOf: ServiceOf, sizes: CallSizes): Promise<void> {
  const { service, tokenized } = await tokenizeCall(call, serviceOf, sizes, false);
  await sendIds(call, service, tokenized);
}

export async function sendIds(
  call: Call,
  service: Service,
  { texts, truncated, faults }: TokenizedCall,
): Promise<void> {
  const frame = await call.stage("encode", () => {
    const answer: TokenizeAnswer = {
      version: WIRE_VERSION,
      revision: service.model.revision,
      tokens: texts.map((ids) => ids.length),
      truncated: [...truncated],
      ...(faults.length > 0 && { faults: [...faults] }),
    };
    return encodeFrame(JSON.stringify(answer), joinIds(texts));
  });
  call.sendFrame(frame);
}

/** `needsRoom`: refuse before tokenising what the queue would refuse after it. */
async function tokenizeCall(
  call: Call,
  serviceOf: ServiceOf,
  sizes: CallSizes,
  needsRoom: boolean,
): Promise<{ header: EmbedRequest; service: Service; tokenized: TokenizedCall }> {
  const body = await call.stage("body", () => call.body());
  const { header, inputs } = await call.stage("decode", () => readRequest(body, sizes.textsMax));
  const service = serviceOf(header.model);
  checkModel(header, service, "embedding");
  if (needsRoom) service.runner.checkRoom(header.account, header.tier);
  const work = { ...header, inputs, tokensMax: sizes.callTokensMax };
  const tokenized = await call.stage("tokenize", () =>
    call.withinDeadline((signal) => service.tokenizer.tokenize(work, signal)),
  );
  return { header, service, tokenized };
}

/** `kind`: of the models that the route is for. Throws ApiError. */
export function checkModel(
  header: Pick<EmbedRequest, "revision">,
  service: Service,
  kind: NonNullable<BackendReady["kind"]>,
): void {
  const isReranker = service.model.config.reranker !== undefined;
  if (isReranker !== (kind === "reranker"))
    throw apiError(
      "incompatible_options",
      isReranker
        ? `${service.modelId} is a reranker: it gives scores (/score), not vectors.`
        : `${service.modelId} is an embedding model: it gives vectors (/embed), not scores.`,
    );
  if (header.revision !== null && header.revision !== service.model.revision) {
    throw apiError("model_not_ready", "This backend serves another revision of the model.", null, 1);
  }
}

/** Token ids as uint32 little-endian, one text after the other. */
function joinIds(texts: readonly Int32Array[]): Uint8Array {
  const ids = new Int32Array(texts.reduce((sum, text) => sum + text.length, 0));
  let offset = 0;
  for (const text of texts) {
    ids.set(text, offset);
    offset += text.length;
  }
  return new Uint8Array(ids.buffer);
}
