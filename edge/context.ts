// What a request carries through middleware and routes.

import type { Context as HonoContext } from "hono";
import type { Fault } from "../shared/errors.ts";
import type { RequestId } from "../shared/ids.ts";
import type { ParsedKey } from "../shared/keys.ts";
import type { Tier } from "../shared/wire.ts";
import type { CallStanding } from "./wallet/wallet-types.ts";
import type { MemoryLease } from "./lib/memory-budget.ts";
import type { Env } from "./bindings.ts";
import type { Charge } from "./models/pricing.ts";
import type { Services } from "./services.ts";

export interface AppEnv {
  readonly Bindings: Env;
  readonly Variables: {
    readonly services: Services;
    /** Ours, always: the charge's id. */
    readonly requestId: RequestId;
    /** The client's `X-Request-Id` where it is well formed, ours otherwise: what is echoed and logged. */
    readonly shownRequestId: string;
    /** performance.now() at arrival. */
    readonly startedMs: number;
    /** Set by `authenticate`: the key's tag was verified, its rights are not yet known. */
    readonly key: ParsedKey;
    /** Set by `readJson` for a call with an `Idempotency-Key`: the keyed hash of its body. */
    readonly bodyHash?: string;
    /** Set by `oweRequest`: the call counts against its caller's rate though it be refused. */
    readonly owesRequest?: boolean;
    /** Set by `admitMemory`: what this request holds of the isolate's memory. */
    readonly memory?: MemoryLease;
    /** Set by `trace`: the W3C header that goes along to the backend. */
    readonly traceparent?: string;
    /** A route of the public API: any origin may read its answer. */
    readonly isPublicApi?: true;
    /** The answer was made with the headers that every answer has. */
    readonly hasAllHeaders?: true;
    /** What this call was charged, for the log. */
    readonly charge?: Charge;
    /** What was answered instead, for the log. */
    readonly fault?: Fault;
    /** Where a refused caller stands, for its answer's headers. */
    readonly standing?: CallStanding;
    /** Set once a call of a model is known to be one: what its usage is counted under. */
    readonly called?: { readonly model: string; readonly tier: Tier };
    /** The ledger has admitted the call: it counts how it ends. */
    readonly admitted?: true;
  };
}
export type Context = HonoContext<AppEnv>;

/** Milliseconds since the request arrived. */
export function elapsedMs(c: Context): number {
  return performance.now() - c.get("startedMs");
}

/** The caller's address as Cloudflare saw it; locally there is no proxy in between and the header may be absent. */
export function clientAddress(c: Context): string {
  return c.req.header("cf-connecting-ip") ?? "127.0.0.1";
}

/** `executionCtx.waitUntil`, unbound. */
export function waitUntilOf(c: Context): (work: Promise<unknown>) => void {
  const { executionCtx } = c;
  return (work) => executionCtx.waitUntil(work);
}
