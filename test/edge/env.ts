// The bindings that tests inside workerd see: the Worker's own, and the directory's migrations (vitest.config.ts).
import type { D1Migration } from "cloudflare:test";
import type { Env as WorkerEnv } from "../../edge/bindings.ts";

declare global {
  namespace Cloudflare {
    interface Env extends WorkerEnv {
      readonly TEST_MIGRATIONS: D1Migration[];
    }
  }
}
