// A pool over fake backends on a clock of its own, and the calls that tests send through it.

import type { PoolCall } from "../../../edge/backend/call-clock.ts";
import { Pool } from "../../../edge/backend/pool.ts";
import type { PoolOptions } from "../../../edge/backend/pool.ts";
import type { BackendTexts } from "../../../edge/backend/wire-request.ts";
import { ApiError } from "../../../shared/errors.ts";
import { idFromBytes } from "../../../shared/ids.ts";
import { MODEL, fetchOf } from "./fake-backends.ts";
import type { FakeBackend, ManualClock } from "./fake-backends.ts";

export const ACCOUNT = idFromBytes("account", new Uint8Array(10));

/** As an isolate builds it, over `backends` and `clock`. */
export function poolOf(backends: readonly FakeBackend[], clock: ManualClock, change: Partial<PoolOptions> = {}): Pool {
  return new Pool({
    backends: backends.map(({ model, origin }) => ({ model, origin })),
    secret: "secret",
    now: clock.now,
    sleep: clock.sleep,
    fetch: fetchOf(backends),
    random: () => 0,
    ...change,
  });
}

/** The same, after it has heard of its backends. */
export async function readyPool(
  backends: readonly FakeBackend[],
  clock: ManualClock,
  change: Partial<PoolOptions> = {},
): Promise<Pool> {
  const pool = poolOf(backends, clock, change);
  await pool.announced(MODEL, () => undefined);
  return pool;
}

export function textsOf(...texts: string[]): BackendTexts {
  return {
    model: MODEL,
    accountId: ACCOUNT,
    tier: "interactive",
    texts: texts.map((text) => ({ kind: "text", text })),
    prefix: "",
    truncate: "none",
  };
}

export function callOf(change: Partial<PoolCall> = {}): PoolCall {
  return {
    requestId: "req_1",
    traceparent: undefined,
    deadlineMs: 60_000,
    coldHoldMs: 25_000,
    signal: new AbortController().signal,
    waitUntil: () => undefined,
    itemOf: (index) => `input[${index}]`,
    ...change,
  };
}

/** The error code that `promise` ends with. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof ApiError ? error.fault.code : `not an ApiError: ${String(error)}`;
}
