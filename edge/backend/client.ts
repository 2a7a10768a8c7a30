// One framed call to one backend. It never throws: whatever the network or the other side does becomes a value for the
// pool to act on. An answer is checked in full (frame, schema, counts, size of the vectors) before it counts.

import type {
  BackendFault,
  BackendReady,
  EmbedAnswer,
  EmbedRequest,
  ScoreRequest,
  TokenizeAnswer,
} from "../../shared/wire.ts";
import {
  DEADLINE_HEADER,
  REQUEST_ID_HEADER,
  backendFaultSchema,
  backendReadySchema,
  readEmbedAnswer,
  tokenizeAnswerSchema,
} from "../../shared/wire.ts";
import type { CancelSignal } from "../lib/cancel.ts";
import { CallTimer } from "../lib/call-timer.ts";
import { onAbort } from "../lib/cancel.ts";
import { collectBytes } from "../lib/collect-bytes.ts";
import { othersTurn } from "../lib/others-turn.ts";
import { SCORE_WORDS, scoreBits } from "./score-bits.ts";
import type { BackendRequest } from "./wire-request.ts";
import { isScore, itemsOf } from "./wire-request.ts";
import {
  FRAME_BYTES_MAX,
  FRAME_CONTENT_TYPE,
  REQUEST_FRAME_BYTES_MAX,
  decodeFrame,
  encodeFrame,
} from "../../shared/frame.ts";

/** A longer answer is read straight into its buffer: its pieces would take as much again until they are joined. */
const LARGE_BYTES = 1024 * 1024;
/** The HTTP status of a request whose body is too large. */
export const TOO_LARGE = 413;

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface BackendCall {
  readonly fetch: Fetch;
  readonly origin: string;
  readonly secret: string;
  readonly requestId: string;
  readonly traceparent: string | undefined;
  /** Time left to the caller; sent along, and enforced here by a timer. */
  readonly deadlineMs: number;
  /** Aborts when the caller has left or its lease was refused. */
  readonly signal: CancelSignal;
  /** The request's; undefined where none waits for the call. */
  readonly timer?: CallTimer | undefined;
}

export type BackendResult<Answer> =
  | { readonly kind: "answer"; readonly answer: Answer }
  /** The backend refused with a code of our own. */
  | { readonly kind: "fault"; readonly fault: BackendFault }
  /** It, or a proxy in front of it, rejects our secret (401 or 403): a configuration mistake, not the call's fault. */
  | { readonly kind: "refused"; readonly status: number }
  /** No connection, or it broke off before an answer. */
  | { readonly kind: "unreachable"; readonly reason: string }
  /** An answer that is not in our format: a damaged frame, a wrong count, a proxy's page. */
  | { readonly kind: "garbage"; readonly reason: string }
  /** The request was not accepted, which says nothing about the backend: too large to be sent, or a proxy's 4xx. */
  | { readonly kind: "not_taken"; readonly status: number }
  | { readonly kind: "deadline" }
  | { readonly kind: "cancelled" };

export interface Embedded extends EmbedAnswer {
  /** Canonical vectors, float16 bits [texts without a fault, dimensions]; of pairs their scores (score-bits.ts). */
  readonly vectors: Uint16Array<ArrayBuffer>;
}
export interface Tokenized extends TokenizeAnswer {
  /** Token ids of all texts or pairs, one after the other. */
  readonly ids: Uint32Array<ArrayBuffer>;
}

/** `POST /embed`, or `/score`. `ids`, the payload: uint32 token ids of the texts that the request gives as counts. */
export function embed(call: BackendCall, request: BackendRequest, ids: Uint32Array): Promise<BackendResult<Embedded>> {
  return isScore(request)
    ? post(call, "/score", request, ids, (frame) => readScores(frame, request))
    : post(call, "/embed", request, ids, (frame) => readVectors(frame, request));
}

function readScores({ header, payload }: Frame, request: ScoreRequest): BackendResult<Embedded> {
  const count = request.documents.length;
  const answer = readEmbedAnswer({ ...Object(header), dimensions: SCORE_WORDS });
  if (answer === undefined) return garbage("its header does not fit");
  if (answer.tokens.length !== count || answer.truncated.length !== count) return garbage("another number of pairs");
  if (!faultsFit(answer, request)) return garbage("faults that do not fit");
  const scored = count - (answer.faults?.length ?? 0);
  if (payload.length !== scored * Float32Array.BYTES_PER_ELEMENT) return garbage("another number of scores");
  const vectors = scoreBits(payload, scored);
  return vectors === undefined ? garbage("a score that is none") : { kind: "answer", answer: { ...answer, vectors } };
}

function readVectors(result: Frame, request: EmbedRequest): BackendResult<Embedded> {
  const count = request.texts.length;
  const answer = readEmbedAnswer(result.header);
  if (answer === undefined) return garbage("its header does not fit");
  if (answer.tokens.length !== count || answer.truncated.length !== count) return garbage("another number of texts");
  if (!faultsFit(answer, request)) return garbage("faults that do not fit");
  // An odd number of float16 values is padded to a whole word.
  const values = (count - (answer.faults?.length ?? 0)) * answer.dimensions;
  if (result.payload.length !== Math.ceil(values / 2) * 4) return garbage("another number of vectors");
  return {
    kind: "answer",
    answer: { ...answer, vectors: new Uint16Array(result.payload.buffer, result.payload.byteOffset, values) },
  };
}

/** Only a call that asked for them has any: in order, of texts that it has, which cost nothing. */
function faultsFit({ faults = [], tokens }: EmbedAnswer | TokenizeAnswer, { onError }: BackendRequest): boolean {
  if (faults.length > 0 && onError !== "per_item") return false;
  return faults.every(({ index }, at) => index > (faults[at - 1]?.index ?? -1) && tokens[index] === 0);
}

/** `POST /tokenize`, or `/score/tokenize`: exact counts and ids; the model does not run. */
export function tokenize(
  call: BackendCall,
  request: BackendRequest,
  ids: Uint32Array,
): Promise<BackendResult<Tokenized>> {
  const path = isScore(request) ? "/score/tokenize" : "/tokenize";
  return post(call, path, request, ids, (frame) => readTokens(frame, request));
}

function readTokens({ header, payload }: Frame, request: BackendRequest): BackendResult<Tokenized> {
  const parsed = tokenizeAnswerSchema.safeParse(header);
  if (!parsed.success) return garbage("its header does not fit");
  const answer = parsed.data;
  const total = answer.tokens.reduce((sum, count) => sum + count, 0);
  if (answer.tokens.length !== itemsOf(request).length) return garbage("another number of texts");
  if (!faultsFit(answer, request)) return garbage("faults that do not fit");
  if (payload.length !== total * 4) return garbage("another number of token ids");
  return { kind: "answer", answer: { ...answer, ids: new Uint32Array(payload.buffer, payload.byteOffset, total) } };
}

export type ReadyResult =
  /** Its report: `ready`, `warming` or `draining`. */
  | { readonly kind: "answer"; readonly ready: BackendReady }
  /** It listens but has not compiled its checkpoint yet, so it can say nothing about the model. */
  | { readonly kind: "warming" }
  | { readonly kind: "refused"; readonly status: number }
  | { readonly kind: "down"; readonly reason: string };

/**
 * `GET /ready?model=` with the secret, like a call; within `timeoutMs`. A backend of before there were several models in one
 * does not read the name, and answers for the one it has.
 */
export async function readReady(
  backend: { readonly fetch: Fetch; readonly origin: string; readonly secret: string; readonly model: string },
  timeoutMs: number,
): Promise<ReadyResult> {
  try {
    const response = await backend.fetch(`${backend.origin}/ready?model=${encodeURIComponent(backend.model)}`, {
      headers: { authorization: `Bearer ${backend.secret}` },
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (refusesSecret(response)) {
      await response.body?.cancel();
      return { kind: "refused", status: response.status };
    }
    const body: unknown = await response.json();
    const parsed = backendReadySchema.safeParse(body);
    if (parsed.success) return { kind: "answer", ready: parsed.data };
    const fault = backendFaultSchema.safeParse(body).data?.error;
    if (fault?.code === "model_not_ready") return { kind: "warming" };
    if (fault?.code === "model_not_found") return { kind: "down", reason: "does not serve this model" };
    return { kind: "down", reason: `status ${response.status} without a report` };
  } catch (error) {
    return { kind: "down", reason: reasonOf(error) };
  }
}

function refusesSecret({ status }: Response): boolean {
  return status === 401 || status === 403;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : "fetch failed";
}

type Frame = { readonly kind: "frame"; readonly header: unknown; readonly payload: Uint8Array<ArrayBuffer> };
type Failure = Exclude<BackendResult<never>, { kind: "answer" }>;

const garbage = (reason: string): Failure => ({ kind: "garbage", reason });

/** One call, its answer read by `read`. One function, since every call of a model pays for each promise in here. */
async function post<Answer>(
  call: BackendCall,
  path: string,
  request: BackendRequest,
  ids: Uint32Array,
  read: (frame: Frame) => BackendResult<Answer>,
): Promise<BackendResult<Answer>> {
  const header = JSON.stringify(request);
  const turn = othersTurn(header.length);
  if (turn !== undefined) await turn;
  const frame = encodeRequest(header, ids);
  if (frame === undefined) return { kind: "not_taken", status: TOO_LARGE };
  const abort = new AbortController();
  let unlink = (): void => undefined;
  // Aborts by way of a promise. Another request's answer may be what ends this one (a key was revoked, a lease
  // refused); the runtime forbids a request to touch another's I/O, but it runs a promise's continuation in the request
  // that awaits it.
  const cancelled = new Promise<void>((resolve) => {
    unlink = onAbort(call.signal, resolve);
  });
  void cancelled.then(() => abort.abort());
  let late = false;
  const { timer = new CallTimer() } = call;
  const deadlineMs = Math.floor(call.deadlineMs);
  const arrived = timer.after(Math.max(1, deadlineMs), () => {
    late = true;
    abort.abort();
  });
  const headers: Record<string, string> = {
    authorization: `Bearer ${call.secret}`,
    "content-type": FRAME_CONTENT_TYPE,
  };
  headers[REQUEST_ID_HEADER] = call.requestId;
  headers[DEADLINE_HEADER] = String(deadlineMs);
  if (call.traceparent !== undefined) headers["traceparent"] = call.traceparent;
  try {
    const { fetch } = call;
    const response = await fetch(call.origin + path, { method: "POST", headers, body: frame, signal: abort.signal });
    const length = response.headers.get("content-length");
    const isPlain = response.status === 200 && length !== null && Number(length) < LARGE_BYTES;
    const bytes = isPlain ? new Uint8Array(await response.arrayBuffer()) : await readRare(response, length);
    if ("kind" in bytes) return bytes;
    const decoded = decodeFrame(bytes);
    return decoded.kind === "frame" ? read(decoded) : garbage(`a frame that ${decoded.reason}`);
  } catch (error) {
    if (late) return { kind: "deadline" };
    if (call.signal.aborted) return { kind: "cancelled" };
    return { kind: "unreachable", reason: reasonOf(error) };
  } finally {
    arrived();
    unlink();
  }
}

/** The frame to send; undefined where it is larger than any backend accepts. */
function encodeRequest(header: string, ids: Uint32Array): Uint8Array<ArrayBuffer> | undefined {
  if (ids.byteLength > REQUEST_FRAME_BYTES_MAX) return undefined;
  const frame = encodeFrame(header, new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength));
  return frame.length > REQUEST_FRAME_BYTES_MAX ? undefined : frame;
}

/** The bytes of an answer that is large, of unknown length or none of ours, or why there are none. */
async function readRare(response: Response, length: string | null): Promise<Uint8Array<ArrayBuffer> | Failure> {
  if (Number(length ?? 0) > FRAME_BYTES_MAX) {
    await response.body?.cancel();
    return garbage("an answer over the limit of a frame");
  }
  if (response.status !== 200) return readFault(response);
  return (await readLarge(response, length)) ?? garbage("an answer over the limit of a frame");
}

/**
 * The body, or undefined where it is over FRAME_BYTES_MAX. A large one of known `length` is read straight into its
 * buffer: collecting pieces would take twice its size.
 */
async function readLarge(response: Response, length: string | null): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (response.body === null) return new Uint8Array();
  if (length === null) return collectBytes(response.body, FRAME_BYTES_MAX);
  const reader = response.body.getReader({ mode: "byob" });
  const { value } = await reader.readAtLeast(Number(length), new Uint8Array(Number(length)));
  return value === undefined ? new Uint8Array() : new Uint8Array(value.buffer, value.byteOffset, value.length);
}

async function readFault(response: Response): Promise<Failure> {
  if (refusesSecret(response)) {
    await response.body?.cancel();
    return { kind: "refused", status: response.status };
  }
  const body: unknown = await response.json().catch(() => undefined);
  const parsed = backendFaultSchema.safeParse(body);
  const { status } = response;
  if (!parsed.success && status >= 400 && status < 500) return { kind: "not_taken", status };
  if (!parsed.success) return garbage(`status ${status} without one of our faults`);
  return { kind: "fault", fault: parsed.data.error };
}
