// POST /v1/embeddings as nearly every client calls it, straight from its body to its answer: texts and no options, with a key
// that this isolate knows and whose lease covers the call. It is here so that such a call pays for nothing that others
// need (docs/performance.md); it decides nothing by itself. All that is not as plain goes the usual way behind it, with
// the body that it read; what fails is answered there. Both ways are made of the same parts, and end in `runAdmitted`.

import { embeddingsContent } from "../answer/embeddings-answer.ts";
import type { Env } from "../bindings.ts";
import type { BegunCall } from "../context.ts";
import { addressOf, begunCalls } from "../context.ts";
import { mayCut } from "../endpoints/dimensions.ts";
import { embeddings } from "../endpoints/embeddings.ts";
import { answered } from "../endpoints/items.ts";
import { textsBound } from "../embedding/request-texts.ts";
import { promptsOf } from "../embedding/prompts.ts";
import { isEmbedded } from "../embedding/types.ts";
import type { CallText } from "../lib/call-text.ts";
import { CallTimer } from "../lib/call-timer.ts";
import { Cancel } from "../lib/cancel.ts";
import type { MemoryLease } from "../lib/memory-budget.ts";
import { bodyMemory } from "../lib/memory-budget.ts";
import type { MeteredResult } from "../metering/admitted-call.ts";
import { runAdmitted } from "../metering/admitted-call.ts";
import { usageHeaders, usageOf } from "../metering/usage-answer.ts";
import { publicHeaders } from "../middleware/answer-headers.ts";
import { knownKey } from "../middleware/authenticate.ts";
import { SHORT_BYTES_MAX, parseShort, shortBody } from "../middleware/body.ts";
import { shownId } from "../middleware/request-id.ts";
import { kindOf } from "../models/kind.ts";
import { costBound, pricesOf } from "../models/pricing.ts";
import type { Services } from "../services.ts";
import { servicesOf } from "../services.ts";
import type { CatalogModel } from "../../shared/catalog.ts";
import { newId } from "../../shared/ids.ts";
import type { ParsedKey } from "../../shared/keys.ts";
import { readCommonBody } from "../../shared/schemas/embeddings.ts";
import { REQUEST_TOKENS_MAX, parseInput } from "../../shared/schemas/input.ts";
import type { Prompts } from "../../shared/wire.ts";
import type { Answer } from "./route.ts";

/** A call with one of them is not plain. */
const OPTIONS = [
  "x-tier",
  "x-max-cost",
  "x-require-revision",
  "prefer",
  "cache-control",
  "idempotency-key",
  "content-encoding",
  "traceparent",
];
const PATH = "/v1/embeddings";
const TYPE = "application/json";
const BEARER = "Bearer ";

type WaitUntil = (work: Promise<unknown>) => void;

interface Caller {
  readonly services: Services;
  readonly key: ParsedKey;
  readonly memory: MemoryLease;
}

/** What a plain body asks for. */
interface Asked {
  readonly model: CatalogModel;
  readonly texts: readonly CallText[];
  readonly prompts: Prompts;
  readonly boundTokens: number;
  readonly dimensions: number | undefined;
  readonly encoding: "float" | "base64";
}

export function callsEmbeddings({ method, url }: Request): boolean {
  const start = url.length - PATH.length;
  return method === "POST" && url.endsWith(PATH) && url.indexOf("/", url.indexOf("://") + 3) === start;
}

/** `usual`: the usual way of this request. */
export function plainEmbeddings(request: Request, env: Env, context: ExecutionContext, usual: () => Answer): Answer {
  const waitUntil: WaitUntil = (work) => context.waitUntil(work);
  const caller = callerOf(request.headers, env, waitUntil);
  return caller === undefined ? usual() : straight(request, caller, waitUntil, usual);
}

async function straight(
  request: Request,
  caller: Caller,
  waitUntil: WaitUntil,
  usual: () => Answer,
): Promise<Response> {
  const { memory } = caller;
  const begun: BegunCall = { startedMs: performance.now(), requestId: newId("request") };
  try {
    const answer = await answerPlain(request, begun, caller, waitUntil);
    if (answer !== undefined) return answer;
  } catch (error) {
    begun.failure = error;
  } finally {
    if (!memory.isStreaming) memory.release();
  }
  begunCalls.set(request, begun);
  return usual();
}

/** Undefined: something about the request or the isolate is not plain, or there is no room. No body has been read. */
function callerOf(headers: Headers, env: Env, waitUntil: WaitUntil): Caller | undefined {
  try {
    const services = servicesOf(env);
    const { LOG_REQUESTS = 0, OTEL_EXPORTER_OTLP_ENDPOINT } = services.config;
    if (OTEL_EXPORTER_OTLP_ENDPOINT !== undefined || Math.random() < LOG_REQUESTS) return undefined;
    const type = headers.get("content-type");
    if (type !== TYPE && type?.startsWith(`${TYPE};`) !== true) return undefined;
    if (!(Number(headers.get("content-length") ?? Infinity) <= SHORT_BYTES_MAX)) return undefined;
    const authorization = headers.get("authorization");
    const key = authorization?.startsWith(BEARER) === true ? knownKey(authorization.slice(BEARER.length)) : undefined;
    if (key === undefined || !services.wallet.mayAdmitAtOnce(key)) return undefined;
    if (OPTIONS.some((name) => headers.has(name))) return undefined;
    if (services.modelBook.keepFresh(waitUntil) !== undefined) return undefined;
    return { services, key, memory: services.memory.take(bodyMemory(0), key.accountId) };
  } catch {
    return undefined; // the usual way says what is wrong
  }
}

/** Undefined: the call is not plain after all, and nothing was done but its body read. Rejects with what has to be told. */
async function answerPlain(
  request: Request,
  begun: BegunCall,
  { services, key, memory }: Caller,
  waitUntil: WaitUntil,
): Promise<Response | undefined> {
  const timer = new CallTimer();
  begun.body = await shortBody(request, timer, services.config, memory);
  const asked = askedIn(begun.body, services, waitUntil);
  if (asked === undefined) return undefined;
  const { model, texts, prompts, boundTokens } = asked;
  const call = { model: model.id, tier: "interactive", waitUntil, timer } as const;
  const admission = services.wallet.admitAtOnce({
    ...call,
    key,
    scope: embeddings.scope,
    ip: addressOf(request.headers),
    boundTokens,
    boundNanoUsd: costBound(pricesOf(model, call.tier), boundTokens),
  });
  if (admission === undefined) return undefined;
  begun.admitted = { model: model.id, tier: call.tier };
  memory.admit();
  const abandon = new Cancel();
  const elapsedMs = (): number => performance.now() - begun.startedMs;
  const { requestDeadlineMs, coldHoldMs } = services.config.limits;
  const result = await runAdmitted({
    ...call,
    model,
    admission,
    abandon,
    start: () =>
      services.embedTexts.start({
        ...call,
        accountId: key.accountId,
        texts,
        prefix: prompts.plain,
        prompts,
        truncate: "none",
        onError: "fail",
        cacheMode: "standard",
        prices: model.prices,
        noStore: false,
        requestId: begun.requestId,
        traceparent: undefined,
        deadlineMs: requestDeadlineMs - elapsedMs(),
        coldHoldMs,
        signal: abandon,
      }),
    charged: answered,
    settle: ({ charge }) => admission.settle({ model: model.id, latencyMs: elapsedMs(), ...charge }),
    callId: begun.requestId,
    texts: texts.length,
    request,
    announced: () => services.pool.announced(model.id, waitUntil),
    memory,
  });
  const headers = publicHeaders(shownId(request.headers, begun.requestId), usageHeaders(result));
  return answerOf(result, asked, headers, waitUntil, memory);
}

/** Undefined: the body has a fault, or asks for more than texts by a model that is ready. */
function askedIn(body: Uint8Array, { models, pool }: Services, waitUntil: WaitUntil): Asked | undefined {
  const fields = fieldsIn(body);
  const model = models.find(({ id }) => id === fields?.model);
  if (fields === undefined || model?.operatorStatus !== "live") return undefined;
  const ready = pool.announced(model.id, waitUntil);
  if (ready === undefined || ready instanceof Promise || kindOf(model, ready) !== "embedding") return undefined;
  const { dimensions, encoding } = fields;
  if (dimensions !== undefined && !mayCut(model, ready, dimensions)) return undefined;
  const prompts = promptsOf(model, ready);
  const texts = fields.texts.map((text) => ({ kind: "text", text }) as const);
  const boundTokens = textsBound({ texts, prefix: prompts.plain }, model.contextTokens);
  return boundTokens > REQUEST_TOKENS_MAX ? undefined : { model, texts, prompts, boundTokens, dimensions, encoding };
}

function fieldsIn(body: Uint8Array) {
  try {
    const fields = readCommonBody(parseShort(body));
    const input = fields && parseInput(fields.input, "fail");
    if (input?.kind !== "texts") return undefined;
    const { texts } = input;
    return {
      model: fields?.model,
      texts,
      dimensions: fields?.dimensions,
      encoding: fields?.encoding_format ?? "float",
    };
  } catch {
    return undefined; // the usual way says what is wrong
  }
}

function answerOf(
  result: MeteredResult,
  { model, dimensions = result.dimensions, encoding }: Asked,
  headers: Record<string, string>,
  waitUntil: WaitUntil,
  memory: MemoryLease,
): Response {
  headers["content-type"] = "application/json; charset=utf-8";
  const vectors = result.texts.filter(isEmbedded).map(({ vector }) => vector);
  const usage = usageOf(result.charge);
  const body = { vectors, dimensions, dtype: "float", encoding, model: model.id, usage, pairs: false } as const;
  return new Response(embeddingsContent(body, waitUntil, memory), { headers });
}
