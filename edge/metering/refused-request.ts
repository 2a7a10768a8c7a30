// A refused call counts against its caller's rate limit if it has cost work: a large body was read, or its texts were
// counted. Before such work the wallet is asked whether the key may call at all. Admitted calls are counted by the
// ledger.

import { LRUCache } from "lru-cache";
import type { Refusal } from "../ledger/types.ts";
import type { Context } from "../context.ts";
import { clientAddress, waitUntilOf } from "../context.ts";
import { ApiError, ERRORS } from "../../shared/errors.ts";
import { nameOf } from "../wallet/wallet.ts";
import { faultOfRefusal, refusedError } from "./refusals.ts";

const KEYS_MAX = 5000;
/** Keys whose refused calls are over their rate limit, and until when by this isolate's clock. */
const overRate = new LRUCache<
  string,
  { readonly refusal: Extract<Refusal, { kind: "rate_limited" }>; untilMs: number }
>({
  max: KEYS_MAX,
});

/**
 * Before work for a call that may still be refused: it is counted then. Throws ApiError when its key may not call now.
 */
export async function oweRequest(c: Context): Promise<void> {
  if (c.get("owesRequest") === true) return;
  c.set("owesRequest", true);
  const known = overRate.get(nameOf(c.get("key")));
  const leftMs = (known?.untilMs ?? 0) - Date.now();
  if (known !== undefined && leftMs > 0) {
    c.set("owesRequest", false);
    throw new ApiError(faultOfRefusal({ ...known.refusal, retryAfterMs: leftMs }));
  }
  const result = await authorize(c, false);
  if (result.kind === "refused") throw refusedError(c, result);
}

/** The call was admitted, which counts it already. */
export function requestIsCounted(c: Context): void {
  c.set("owesRequest", false);
}

/** Called after the answer: counts a call that was refused through its own fault and is not counted yet. */
export function countRefused(c: Context): void {
  if (c.get("owesRequest") !== true || !(c.error instanceof ApiError)) return;
  const { status, type } = ERRORS[c.error.fault.code];
  const isOwnFault = status < 500 && (type === "invalid_request_error" || type === "insufficient_quota");
  if (isOwnFault) waitUntilOf(c)(count(c));
}

async function count(c: Context): Promise<void> {
  const result = await authorize(c, true);
  if (result.kind !== "refused" || result.refusal.kind !== "rate_limited") return;
  const { refusal } = result;
  overRate.set(nameOf(c.get("key")), { refusal, untilMs: Date.now() + refusal.retryAfterMs });
}

function authorize(c: Context, countsRequest: boolean) {
  const { wallet } = c.get("services");
  return wallet.authorize({ key: c.get("key"), ip: clientAddress(c), countsRequest, waitUntil: waitUntilOf(c) });
}

/** For a body that could not be read as far as the model's name. */
const UNKNOWN = { model: "unknown", tier: "interactive" } as const;

/**
 * Called after the answer of a call of a model: counts a refused one in its key's usage. Admitted calls are counted by
 * the ledger, and a forged key (401) belongs to no account. `status`: of a frame of a stream, which has no answer of its own.
 */
export function recordRefused(c: Context, status: number = c.res.status): void {
  if (status < 400 || status === 401 || c.get("admitted") === true) return;
  const waitUntil = waitUntilOf(c);
  const call = { ...(c.get("called") ?? UNKNOWN), key: c.get("key"), status, waitUntil };
  waitUntil(c.get("services").wallet.noteRefused(call));
}
