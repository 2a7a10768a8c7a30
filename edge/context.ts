// A request's context, shared by middleware and routes.

import type { Context as HonoContext } from "hono";
import type { Fault } from "../shared/errors.ts";
import type { RequestId } from "../shared/ids.ts";
import type { ParsedKey } from "../shared/keys.ts";
import type { Tier } from "../shared/wire.ts";
import type { CallStanding } from "./wallet/wallet-types.ts";
import { CallTimer } from "./lib/call-timer.ts";
import type { MemoryLease } from "./lib/memory-budget.ts";
import type { Vendor } from "./lib/vendor.ts";
import type { Env } from "./bindings.ts";
import type { Charge } from "./models/pricing.ts";
import type { Services } from "./services.ts";

export interface AppEnv {
  readonly Bindings: Env;
  readonly Variables: {
    readonly services: Services;
    /** Always our own id, which is also the charge's. */
    readonly requestId: RequestId;
    /** The client's well-formed `X-Request-Id`, or ours: echoed and logged. */
    readonly shownRequestId: string;
    /** performance.now() at arrival. */
    readonly startedMs: number;
    /** Set by `authenticate`: the key's tag was verified, its rights are not yet known. */
    readonly key: ParsedKey;
    /** Set by `readJson` for a call with an `Idempotency-Key`: the keyed hash of its body. */
    readonly bodyHash?: string;
    /** Set by `oweRequest`: the call counts against its caller's rate limit even if it is refused. */
    readonly owesRequest?: boolean;
    /** Set by `admitMemory`: what this request holds of the isolate's memory. */
    readonly memory?: MemoryLease;
    /** Set by `callTimer`. */
    readonly timer?: CallTimer;
    /** Set by `trace`: the W3C header for the backend. */
    readonly traceparent?: string;
    /** The route speaks another vendor's API. */
    readonly vendor?: Vendor;
    /** The route is of the public API: any origin may read its answer. */
    readonly isPublicApi?: true;
    /** The answer was made with the headers that every answer has. */
    readonly hasAllHeaders?: true;
    /** The call's charge, for the log. */
    readonly charge?: Charge;
    /** The call's fault, for the log. */
    readonly fault?: Fault;
    /** A refused caller's limits and credit, for its answer's headers. */
    readonly standing?: CallStanding;
    /** Set once the call's model is known: what its usage is counted under. */
    readonly called?: { readonly model: string; readonly tier: Tier };
    /** The ledger has admitted the call, and counts how it ends. */
    readonly admitted?: true;
  };
}

/** What routes/plain-embeddings.ts did for a call that goes the usual way after all. */
export interface BegunCall {
  readonly startedMs: number;
  readonly requestId: RequestId;
  /** The body, if it was read. */
  body?: Uint8Array<ArrayBuffer>;
  /** Set once the ledger had admitted it. */
  admitted?: AppEnv["Variables"]["called"];
  /** What it failed with. */
  failure?: unknown;
}

/** By request, since they are made before there is a context. */
export const begunCalls = new WeakMap<Request, BegunCall>();

export function begunCall(c: Context): BegunCall | undefined {
  return begunCalls.get(c.req.raw);
}

export type Context = HonoContext<AppEnv>;

/** Milliseconds since the request arrived. */
export function elapsedMs(c: Context): number {
  return performance.now() - c.get("startedMs");
}

/** The caller's address from Cloudflare. Locally there is no proxy in between, and the header may be absent. */
export function clientAddress(c: Context): string {
  return addressOf(c.req.raw.headers);
}

export function addressOf(headers: Headers): string {
  return headers.get("cf-connecting-ip") ?? "127.0.0.1";
}

/** The call's own timer. */
export function callTimer(c: Context): CallTimer {
  const known = c.get("timer");
  if (known !== undefined) return known;
  const timer = new CallTimer();
  c.set("timer", timer);
  return timer;
}

/** `executionCtx.waitUntil`, unbound. */
export function waitUntilOf(c: Context): (work: Promise<unknown>) => void {
  const { executionCtx } = c;
  return (work) => executionCtx.waitUntil(work);
}
