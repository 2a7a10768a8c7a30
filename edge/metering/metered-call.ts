// A paid call: its bound, the lease beside the cache look-ups, the computation, the charge. All routes that embed texts
// go through here, so that the money rules are kept in one place (docs/contract.md, Money):
//   - nothing is computed before the lease covers its bound; where it does not, the exact token count decides;
//   - the charge is made once the whole result has been received and verified;
//   - what fails before that is released, never charged.

import type { Rights, Scope, StoredAnswer } from "../ledger/types.ts";
import type { AdmitRequest, Settlement } from "../wallet/wallet-types.ts";
import type { CallText, ScoreQuery } from "../lib/call-text.ts";
import { sizeOf } from "../lib/call-text.ts";
import { othersTurn } from "../lib/others-turn.ts";
import { Cancel, onAbort } from "../lib/cancel.ts";
import type { Context } from "../context.ts";
import { callTimer, clientAddress, elapsedMs, waitUntilOf } from "../context.ts";
import type { EmbeddedText, StartedTexts, TextResult } from "../embedding/types.ts";
import type { AdmittedCall, MeteredResult } from "./admitted-call.ts";
import { runAdmitted } from "./admitted-call.ts";
import type { Computed, IdempotentCall } from "./idempotent-call.ts";
import { checkStorable, computedBefore, idempotentCall, storedAnswer } from "./idempotent-call.ts";
import type { CallOptions } from "./call-options.ts";
import { requestIsCounted } from "./refused-request.ts";
import { Quote } from "./quote.ts";
import { refusedError } from "./refusals.ts";
import type { SecondHalf } from "./two-revisions.ts";
import { startHalves } from "./two-revisions.ts";
import type { Charge } from "../models/pricing.ts";
import { chargeOf, pricesOf } from "../models/pricing.ts";
import { unreachable } from "../../shared/assert.ts";
import type { CatalogModel } from "../../shared/catalog.ts";
import { apiError } from "../../shared/errors.ts";
import type { ModelRevision } from "../../shared/ids.ts";
import type { OnError, Prompts, Truncation } from "../../shared/wire.ts";

export interface MeteredTexts {
  readonly model: CatalogModel;
  readonly scope: Scope;
  readonly texts: readonly CallText[];
  /** The prompt in the model's own form; empty for token ids. */
  readonly prefix: string;
  /** Set for a reranker: the texts are documents. */
  readonly query?: ScoreQuery | undefined;
  /** The prompts that `prefix` was made from. */
  readonly prompts?: Prompts | undefined;
  readonly truncate: Truncation;
  readonly onError: OnError;
  readonly textsDepend?: boolean;
  /** The only revision that will do; undefined: any. */
  readonly revision: ModelRevision | undefined;
  /** The second half of `texts` is computed in another revision (two-revisions.ts). */
  readonly secondHalf?: SecondHalf;
  /** The texts to charge for. Throws ApiError where nothing is answered, which charges nothing. */
  readonly charged: (results: readonly TextResult[]) => readonly EmbeddedText[];
  readonly options: CallOptions;
  /** Names the text at `index` in the caller's words, for faults. Default: `input[index]`. */
  readonly itemOf?: (index: number) => string | null;
  /** The field that holds the texts. Default: `input`. */
  readonly field?: string;
  /** Set for a call that has a name of its own, under which it is charged once. */
  readonly once?: OnceCharged;
}

/** A call that is charged once under its name, however often it is made. */
export interface OnceCharged {
  readonly terms: IdempotentCall;
  /** What is stored with its charge. Throws ApiError where that cannot be. */
  stored(computed: Computed): StoredAnswer;
  /** The result for a call that was charged before. `compute` computes its texts again, for nothing. */
  again(stored: StoredAnswer, compute: () => Promise<Computed>): Computed | Promise<Computed>;
  /** Called when the call may run. */
  begun?(): void;
  /** The charge waits for it; nothing is charged where it rejects. */
  readonly turn?: Promise<unknown>;
}

/**
 * Embeds texts and charges for them, or throws ApiError and charges nothing. With an `Idempotency-Key` a repeat gets
 * the first answer as it was. So an answer may be made only of this result and the request's body: ids come from
 * `callId`, never from the request's id.
 */
export async function embedMetered(c: Context, call: MeteredTexts): Promise<MeteredResult> {
  c.set("called", { model: call.model.id, tier: call.options.tier });
  checkOffered(call.model);
  const { idempotencyKey } = call.options;
  // Under an `Idempotency-Key` the ledger is asked first: the first answer may be of this revision, the model no longer.
  if (call.revision !== undefined && idempotencyKey === undefined) {
    await c.get("services").pool.announced(call.model.id, waitUntilOf(c), call.revision);
  }
  const turn = othersTurn(sizeOf(call.texts));
  if (turn !== undefined) await turn;
  const quote = new Quote(c, call, pricesOf(call.model, call.options.tier));
  const checking = quote.checkLimits();
  if (checking !== undefined) await checking;
  if (idempotencyKey !== undefined) return embedOnce(c, call, quote, await underKey(c, call, idempotencyKey));
  if (call.once !== undefined) return embedOnce(c, call, quote, call.once);
  const abandon = new Cancel();
  const { wallet } = c.get("services");
  // A call that waits for its lease has its texts looked up meanwhile, unless it will hardly be admitted.
  const early =
    wallet.mayAdmitAtOnce(c.get("key")) || wallet.holdsNothing(c.get("key")) ? undefined : startTexts(c, call, abandon);
  const admitting = wallet.admit(admitRequest(c, call, quote));
  const result = admitting instanceof Promise ? await admitting : admitting;
  if (result.kind === "refused") throw refusedError(c, result);
  const { admission } = result;
  noteAdmitted(c);
  const start = (): StartedTexts => early ?? startTexts(c, call, abandon);
  return await ran(c, call, { start, abandon, admission }, ({ charge }) =>
    admission.settle(settlementOf(c, call, charge)),
  );
}

/** Runs what was admitted, and notes its charge for the log. */
async function ran(
  c: Context,
  call: MeteredTexts,
  admitted: Pick<AdmittedCall, "start" | "abandon" | "admission" | "turn">,
  settle: AdmittedCall["settle"],
): Promise<MeteredResult> {
  const result = await runAdmitted({
    ...admitted,
    settle,
    callId: c.get("requestId"),
    model: call.model,
    tier: call.options.tier,
    texts: call.texts.length,
    charged: call.charged,
    request: c.req.raw,
    announced: () => c.get("services").pool.announced(call.model.id, waitUntilOf(c)),
    memory: c.get("memory"),
    timer: callTimer(c),
  });
  c.set("charge", result.charge);
  return result;
}

/** A backend may be ready before the operator offers the model: nothing is sold before that. */
function checkOffered({ operatorStatus }: CatalogModel): void {
  if (operatorStatus === "live") return;
  throw apiError("model_not_ready", "This model is not offered yet: GET /v1/models shows its status.", "model", 30);
}

/** A call with an `Idempotency-Key`: its first answer is stored, and serves repeats. */
async function underKey(c: Context, call: MeteredTexts, key: string): Promise<OnceCharged> {
  const announced = await c.get("services").pool.announced(call.model.id, waitUntilOf(c));
  checkStorable(call.texts.length, announced?.dimensions ?? call.model.nativeDimensions);
  return {
    terms: idempotentCall(c, key),
    stored: storedAnswer,
    again(stored) {
      c.get("memory")?.grow(2 * stored.vectors.byteLength);
      const computed = computedBefore(stored, call.charged);
      checkReplayed(computed.revision, call.revision);
      return computed;
    },
  };
}

/** A lease for this call only; charge and what is stored are one transaction. */
async function embedOnce(c: Context, call: MeteredTexts, quote: Quote, once: OnceCharged): Promise<MeteredResult> {
  const { wallet } = c.get("services");
  const result = await wallet.admitStrict({ ...admitRequest(c, call, quote), idempotency: once.terms });
  switch (result.kind) {
    case "admitted": {
      const { admission } = result;
      noteAdmitted(c);
      once.begun?.();
      const abandon = new Cancel();
      const start = (): StartedTexts => startTexts(c, call, abandon);
      const admitted = { start, abandon, admission, turn: once.turn };
      return ran(c, call, admitted, (computed) => {
        const stored = once.stored(computed);
        c.get("memory")?.grow(stored.vectors.byteLength);
        return admission.commit(settlementOf(c, call, computed.charge), stored);
      });
    }
    case "replay": {
      const compute = () => computeAgain(c, call, result.rights);
      return { ...(await once.again(result.stored, compute)), standing: result.standing, replayed: true };
    }
    case "running":
      throw apiError(
        "idempotency_in_progress",
        "The first call with this `Idempotency-Key` is still running, or its answer is being sent many times at once: try again in a second.",
        "Idempotency-Key",
        1,
      );
    case "reused":
      throw apiError(
        "idempotency_key_reused",
        "This `Idempotency-Key` came with another body within the last 24 hours: use a new key for a new call.",
        "Idempotency-Key",
      );
    case "spent":
      throw apiError(
        "limit_reached",
        "These texts were charged before, and have been computed again for nothing as often as they can be: begin a new stream with them.",
      );
    case "refused":
      throw refusedError(c, result);
    default:
      return unreachable(result);
  }
}

function checkReplayed(revision: ModelRevision, required: ModelRevision | undefined): void {
  if (required === undefined || revision === required) return;
  throw apiError(
    "revision_changed",
    `This call requires revision ${required}; the first answer under its \`Idempotency-Key\` is of revision ${revision}: use a new key for a new call.`,
    "revision",
  );
}

/** The ledger counts the call now, and its memory no longer counts against what unpaid requests may take. */
function noteAdmitted(c: Context): void {
  c.set("admitted", true);
  requestIsCounted(c);
  c.get("memory")?.admit();
}

/** The texts of a call that was charged before, computed once more and not charged. */
async function computeAgain(c: Context, call: MeteredTexts, { cache }: Rights): Promise<Computed> {
  const abandon = new Cancel();
  const unlink = onAbort(c.req.raw.signal, () => abandon.abort());
  try {
    const texts = startTexts(c, call, abandon);
    const result = await texts.finish(cache);
    texts.keep();
    const charge = chargeOf(pricesOf(call.model, call.options.tier), call.charged(result.texts));
    return { ...result, charge, callId: c.get("requestId") };
  } finally {
    unlink();
  }
}

function settlementOf(c: Context, call: MeteredTexts, charge: Charge): Settlement {
  return { model: call.model.id, latencyMs: elapsedMs(c), ...charge };
}

function admitRequest(c: Context, call: MeteredTexts, quote: Quote): AdmitRequest {
  return {
    key: c.get("key"),
    scope: call.scope,
    model: call.model.id,
    ip: clientAddress(c),
    tier: call.options.tier,
    boundTokens: quote.boundTokens,
    boundNanoUsd: quote.boundNanoUsd,
    leastNanoUsd: quote.leastNanoUsd,
    exact: () => quote.exact(),
    timer: callTimer(c),
    waitUntil: waitUntilOf(c),
  };
}

function startTexts(c: Context, call: MeteredTexts, abandon: Cancel): StartedTexts {
  const { embedTexts } = c.get("services");
  const request = embedTextsRequest(c, call, abandon);
  const { secondHalf } = call;
  return secondHalf === undefined ? embedTexts.start(request) : startHalves(embedTexts, request, secondHalf, abandon);
}

function embedTextsRequest(c: Context, call: MeteredTexts, abandon: Cancel) {
  const { options } = call;
  return {
    model: call.model.id,
    accountId: c.get("key").accountId,
    tier: options.tier,
    texts: call.texts,
    prefix: call.prefix,
    query: call.query,
    prompts: call.prompts,
    truncate: call.truncate,
    onError: call.onError,
    textsDepend: call.textsDepend,
    revision: call.revision,
    cacheMode: "standard" as const,
    prices: call.model.prices,
    noStore: options.noStore,
    requestId: c.get("requestId"),
    traceparent: options.traceparent,
    deadlineMs: options.deadlineMs - elapsedMs(c),
    coldHoldMs: options.coldHoldMs,
    signal: abandon,
    waitUntil: waitUntilOf(c),
    timer: callTimer(c),
    ...(call.itemOf === undefined ? {} : { itemOf: call.itemOf }),
  };
}
