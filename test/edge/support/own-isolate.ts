// The edge's test files share one isolate: loading the Worker 62 times took two minutes of CPU. This setup file runs for
// each of them and leaves the next one what a new isolate would have: no services in memory, the wallet's own
// settings, the runtime's own `fetch`, empty storage.

import { reset } from "cloudflare:test";
import { DurableObject } from "cloudflare:workers";
import { afterAll } from "vitest";
import { forgetServices } from "../../../edge/services.ts";
import { WALLET_SETTINGS } from "../../../edge/wallet/wallet.ts";
import { contextsSettled } from "./contexts.ts";
import { forgetDirectoryTables } from "./directory-tables.ts";

const { fetch } = globalThis;
const settings = { ...WALLET_SETTINGS };

// For each object that it makes, @cloudflare/vitest-pool-workers 0.15 puts one more Proxy around the prototype of the
// object's class (createProxyPrototypeClass). In an isolate of all files each access would go through thousands of them:
// the five hundredth account took over a second. The first Proxy does all that is wanted.
if (!Reflect.has(globalThis, "keepsOneProxy")) {
  Reflect.set(globalThis, "keepsOneProxy", true);
  const kept = new WeakSet<object>();
  globalThis.Proxy = new Proxy(Proxy, {
    construct(make, [target, handler]: [object, ProxyHandler<object>]) {
      if (kept.has(target)) return target;
      const proxy = new make(target, handler);
      const { constructor } = target;
      if (typeof constructor === "function" && Object.getPrototypeOf(constructor) === DurableObject) kept.add(proxy);
      return proxy;
    },
  });
}

// Hooks run last to first: a file's own have ended what it began.
afterAll(async () => {
  await contextsSettled();
  globalThis.fetch = fetch;
  Object.assign(WALLET_SETTINGS, settings);
  forgetServices();
  forgetDirectoryTables();
  await reset();
});
