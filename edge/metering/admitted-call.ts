// A call that the ledger has admitted, to its end: computed, charged, and released where it failed before. All calls of
// models end here, so that the rules of metered-call.ts about the charge are kept in one place.

import type { Admission, CallStanding, StrictAdmission } from "../wallet/wallet-types.ts";
import { frameMemory } from "../lib/memory-budget.ts";
import type { MemoryLease } from "../lib/memory-budget.ts";
import type { CallTimer } from "../lib/call-timer.ts";
import type { Cancel } from "../lib/cancel.ts";
import { onAbort } from "../lib/cancel.ts";
import type { EmbeddedText, StartedTexts, TextResult } from "../embedding/types.ts";
import type { Computed } from "./idempotent-call.ts";
import { chargeOf, pricesOf } from "../models/pricing.ts";
import type { CatalogModel } from "../../shared/catalog.ts";
import { ApiError, ERRORS, apiError } from "../../shared/errors.ts";
import type { RequestId } from "../../shared/ids.ts";
import type { BackendReady, Tier } from "../../shared/wire.ts";

/**
 * From this age on a call listens whether its client goes; a shorter one looks at its end. Listening costs more than what
 * is left of a short call's work is worth.
 */
const LISTEN_AFTER_MS = 50;

export interface AdmittedCall {
  /** The texts, started now or before. */
  readonly start: () => StartedTexts;
  /** Ends their computation early. */
  readonly abandon: Cancel;
  readonly admission: Omit<Admission, "settle">;
  /** The charge waits for it; nothing is charged where it rejects. */
  readonly turn?: Promise<unknown> | undefined;
  /** Charges it, once its whole result is there. */
  readonly settle: (computed: Computed) => ReturnType<Admission["settle"]> | ReturnType<StrictAdmission["commit"]>;
  readonly callId: RequestId;
  readonly model: CatalogModel;
  readonly tier: Tier;
  /** How many texts it has. */
  readonly texts: number;
  /** The texts to charge for. Throws ApiError where nothing is answered, which charges nothing. */
  readonly charged: (results: readonly TextResult[]) => readonly EmbeddedText[];
  /** Whose client may leave. */
  readonly request: Request;
  /** What the model's backends announce. */
  readonly announced: () => BackendReady | undefined | Promise<BackendReady | undefined>;
  readonly memory: MemoryLease | undefined;
  readonly timer: CallTimer;
}

export interface MeteredResult extends Computed {
  /** Includes this call's own charge. */
  readonly standing: CallStanding;
  /** This is the first answer under the `Idempotency-Key`, neither computed nor charged again. */
  readonly replayed: boolean;
}

/** Computes what was admitted and charges for it. What fails before the charge is released. Rejects with ApiError. */
export async function runAdmitted(call: AdmittedCall): Promise<MeteredResult> {
  const { abandon, admission, turn, model, memory } = call;
  const { signal } = call.request;
  const stop = () => abandon.abort();
  const unlinkers = [onAbort(admission.signal, stop)];
  const unlisten = call.timer.after(LISTEN_AFTER_MS, () => unlinkers.push(onAbort(signal, stop)));
  let settling = false;
  try {
    const looking = call.start();
    // The look-ups have asked for it already, so this rarely waits. Asked before the lease, it would delay the lease.
    const announcing = call.announced();
    const announced = announcing instanceof Promise ? await announcing : announcing;
    memory?.grow(frameMemory(call.texts, announced?.dimensions));
    const result = await looking.finish(admission.rights.cache);
    if (turn !== undefined) await turn;
    if (signal.aborted) throw apiError("client_closed_request", "The client had gone.");
    const charge = chargeOf(pricesOf(model, call.tier), call.charged(result.texts));
    const computed: Computed = { ...result, charge, callId: call.callId };
    const settled = call.settle(computed);
    settling = true;
    const outcome = settled instanceof Promise ? await settled : settled;
    if (outcome === "charged") {
      looking.keep();
      return { ...computed, standing: admission.standing(), replayed: false };
    }
    // An uncharged result is not delivered.
    throw outcome === "lapsed" ? leaseLapsed() : chargeUnknown();
  } catch (error) {
    if (settling) throw error; // whatever the outcome, the admission has ended
    const status = error instanceof ApiError ? ERRORS[error.fault.code].status : 500;
    admission.release({ status: signal.aborted ? 499 : status });
    throw admission.signal.aborted ? leaseLapsed() : error;
  } finally {
    unlisten();
    for (const unlink of unlinkers) unlink();
  }
}

function leaseLapsed(): ApiError {
  return apiError(
    "ledger_unavailable",
    "The credit behind this call could not be renewed while it ran; it was stopped and not charged.",
    null,
    1,
  );
}

function chargeUnknown(): ApiError {
  return apiError(
    "ledger_unavailable",
    "The ledger did not say in time whether this call was charged: repeat it with the same `Idempotency-Key`.",
    null,
    1,
  );
}
