// Texts through a compiled graph in this process as the engine runs them: in runs within the CPU's budget, a long one in chunks.

import type { ModelConfig } from "../../../gpu-backend/checkpoint/read-config.ts";
import { DEFAULT_BUDGETS, planRuns, shortTokensMax } from "../../../gpu-backend/engine/batch-budget.ts";
import { GraphSession, type SessionOptions } from "../../../gpu-backend/engine/graph-session.ts";
import { LongText } from "../../../gpu-backend/engine/long-text.ts";

export class EngineInProcess {
  readonly #session: GraphSession;
  readonly #options: SessionOptions;
  readonly #config: ModelConfig;

  private constructor(session: GraphSession, options: SessionOptions, config: ModelConfig) {
    this.#session = session;
    this.#options = options;
    this.#config = config;
  }

  static async open(graphPath: string, config: ModelConfig, threads: number): Promise<EngineInProcess> {
    const options: SessionOptions = { graphPath, target: "cpu", cudaWeights: "as-is", threads };
    return new EngineInProcess(await GraphSession.open(options), options, config);
  }

  /** float32 [texts, dimensions]. `onRun` gets the milliseconds of each run: other work would have waited for it. */
  async embed(texts: readonly Int32Array[], onRun: (ms: number) => void = () => undefined): Promise<Float32Array> {
    const { dimensions } = this.#config;
    const vectors = new Float32Array(texts.length * dimensions);
    const lengths = texts.map((text) => text.length);
    for (const run of planRuns(lengths, DEFAULT_BUDGETS.cpu)) {
      const own = run.map((index) => texts[index] ?? new Int32Array());
      const rows = await this.#run(own, onRun);
      for (const [position, index] of run.entries())
        vectors.set(rows.subarray(position * dimensions, (position + 1) * dimensions), index * dimensions);
    }
    return vectors;
  }

  async close(): Promise<void> {
    await this.#session.close();
  }

  async #run(texts: readonly Int32Array[], onRun: (ms: number) => void): Promise<Float32Array> {
    const [text] = texts;
    const isLong = text !== undefined && text.length > shortTokensMax({ target: "cpu", config: this.#config });
    const long = isLong ? new LongText(text, this.#options, this.#config) : undefined;
    for (;;) {
      const began = performance.now();
      const rows = long === undefined ? await this.#session.run(texts) : await long.step();
      onRun(performance.now() - began);
      if (rows !== undefined) return rows;
    }
  }
}
