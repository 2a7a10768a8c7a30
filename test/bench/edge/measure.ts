// One measurement: a load on a system, the CPU that the system's process tree took for it, and how long calls took.

import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { LoadJob, LoadResult } from "./load.ts";
import { treeCpuMs } from "./process-tree.ts";
import { MODEL } from "./shapes.ts";
import type { Shape } from "./shapes.ts";

export interface Target {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Whose tree's CPU is counted; undefined: nobody's. */
  readonly pid: number | undefined;
}

export interface Measured extends LoadResult {
  readonly cpuMsPerCall: number;
}

export type Effort = Omit<LoadJob, "url" | "headers" | "model" | "shape">;

/** The load generator's process. */
export class LoadProcess {
  readonly #child: ChildProcess = fork(join(import.meta.dirname, "load.ts"), { execArgv: ["--import", "tsx"] });

  async measure(target: Target, shape: Shape, effort: Effort): Promise<Measured> {
    const cpuBefore = target.pid === undefined ? 0 : treeCpuMs(target.pid);
    const result = await this.#run({ url: target.url, headers: target.headers, model: MODEL, shape, ...effort });
    const cpuMs = target.pid === undefined ? 0 : treeCpuMs(target.pid) - cpuBefore;
    return { ...result, cpuMsPerCall: cpuMs / result.calls };
  }

  stop(): void {
    this.#child.disconnect();
  }

  async #run(job: LoadJob): Promise<LoadResult> {
    this.#child.send(job);
    const [answer] = (await once(this.#child, "message")) as [{ result?: LoadResult; error?: string }];
    if (answer.result === undefined) throw new Error(answer.error ?? "the load generator said nothing");
    return answer.result;
  }
}
