// The bindings that tests inside workerd see: the Worker's own.
import type { Env as WorkerEnv } from "../../edge/config.ts";

declare global {
  namespace Cloudflare {
    interface Env extends WorkerEnv {}
  }
}
