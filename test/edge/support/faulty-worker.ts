// The Worker over bindings that break on request: for e2e tests of what a customer sees when KV or the account's object
// misbehaves, which a local runtime never does by itself. `POST /fault {"kv": …}` or `{"object": …}` sets what happens next.

import worker from "../../../edge/worker.ts";
import type { Env } from "../../../edge/bindings.ts";

export * from "../../../edge/worker.ts";

interface StoreFaults {
  /** `stale`: says that nothing is there; `corrupt`: every entry is another's. */
  readonly kv?: "fails" | "slow" | "stale" | "corrupt";
  /** So many calls of this account's object are refused as an overloaded one refuses them. */
  readonly object?: { readonly account: string; readonly refusals: number };
}

const SLOW_MS = 5000;
let faults: StoreFaults = {};
/** Refusals left, by the name of the object. */
const refusals = new Map<string, number>();

// oxlint-disable-next-line import/no-default-export -- The runtime's entry point.
export default {
  async fetch(request: Request, env: Env, context: ExecutionContext): Promise<Response> {
    if (new URL(request.url).pathname !== "/fault") return worker.fetch(request, faulty(env), context);
    const asked = await request.json<StoreFaults>();
    // Apart: one test may break KV while another's object is overloaded.
    if (asked.object === undefined) faults = asked;
    else refusals.set(asked.object.account, asked.object.refusals);
    return new Response("set");
  },
};

function faulty(env: Env): Env {
  return { ...env, EMBEDDING_CACHE: faultyKv(env.EMBEDDING_CACHE), ACCOUNT: faultyObjects(env.ACCOUNT) };
}

function faultyKv(kv: Env["EMBEDDING_CACHE"]): Env["EMBEDDING_CACHE"] {
  return new Proxy(kv, {
    get(target, name) {
      if (name === "get") return (...asked: unknown[]) => read(target, asked);
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return (...given: unknown[]) =>
        faults.kv === "fails" ? Promise.reject(new Error("KV PUT failed: 500")) : Reflect.apply(member, target, given);
    },
  });
}

async function read(kv: Env["EMBEDDING_CACHE"], asked: readonly unknown[]): Promise<unknown> {
  if (faults.kv === "fails") throw new Error("KV GET failed: 500 Internal Server Error");
  if (faults.kv === "slow") await scheduler.wait(SLOW_MS);
  const get: unknown = Reflect.get(kv, "get");
  const found: unknown = typeof get === "function" ? await Reflect.apply(get, kv, asked) : undefined;
  if (!(found instanceof Map)) return faults.kv === "stale" ? null : found;
  const names: unknown[] = [...found.keys()];
  if (faults.kv === "stale") return new Map(names.map((name) => [name, null]));
  // Each name gets its neighbour's entry: well formed, and wrong.
  if (faults.kv === "corrupt")
    return new Map(names.map((name, index) => [name, found.get(names[index - 1] ?? names.at(-1))]));
  return found;
}

function faultyObjects(objects: Env["ACCOUNT"]): Env["ACCOUNT"] {
  return new Proxy(objects, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      if (name !== "get") return (...given: unknown[]) => Reflect.apply(member, target, given);
      return (...given: [DurableObjectId]) =>
        faultyStub(Reflect.apply(member, target, given) as object, given[0].name ?? "");
    },
  });
}

function faultyStub(stub: object, account: string): object {
  return new Proxy(stub, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return (...given: unknown[]) => {
        const left = refusals.get(account) ?? 0;
        if (left <= 0) return Reflect.apply(member, target, given) as unknown;
        refusals.set(account, left - 1);
        const refusal = new Error("Durable Object is overloaded. Requests queued for too long.");
        return Promise.reject(Object.assign(refusal, { overloaded: true, retryable: false }));
      };
    },
  });
}
