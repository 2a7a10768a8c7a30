// A corpus job in a folder of its own, run in this process against a fake of the API on a clock that does not wait.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EmbedContext } from "../../../scripts/embed/main.ts";
import { main } from "../../../scripts/embed/main.ts";
import type { FakeEmbeddingApi } from "../../support/fake-embedding-api.ts";

export interface Ran {
  readonly code: number;
  readonly said: string;
}

export class TestJob {
  readonly folder = mkdtempSync(join(tmpdir(), "gigarouter-embed-"));
  readonly out = join(this.folder, "vectors");
  /** What the job slept, in ms. */
  slept: number[] = [];
  nowMs = 1_800_000_000_000;
  interrupt: () => void = () => undefined;
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Writes texts as JSON Lines of {"text"}. */
  corpus(texts: readonly string[], name = "corpus.jsonl"): string {
    writeFileSync(this.path(name), texts.map((text) => `${JSON.stringify({ text })}\n`).join(""));
    return this.path(name);
  }

  async run(args: readonly string[], answer?: (question: string) => boolean): Promise<Ran> {
    const lines: string[] = [];
    const context: EmbedContext = {
      say: (line) => void lines.push(line),
      environment: { GIGAROUTER_API_KEY: "gr-key" },
      clock: {
        now: () => (this.nowMs += 1),
        sleep: async (ms) => {
          this.slept.push(ms);
          this.nowMs += ms;
        },
      },
      ask:
        answer === undefined
          ? undefined
          : async (question) => {
              lines.push(question);
              return answer(question);
            },
      bar: undefined,
      sync: false,
      onInterrupt: (stop) => {
        this.interrupt = stop;
        return () => undefined;
      },
    };
    const code = await main([...args, "--url", this.#url, "--out", this.out], context);
    return { code, said: lines.join("\n") };
  }

  /** vectors.npy and its ids. */
  npy(): Npy {
    return readNpy(this.out);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface Npy {
  readonly descr: string;
  readonly shape: readonly [rows: number, columns: number];
  /** Behind the header. */
  readonly data: Buffer;
  readonly ids: readonly unknown[];
}

export function readNpy(out: string): Npy {
  const bytes = readFileSync(join(out, "vectors.npy"));
  const headerEnd = 10 + bytes.readUInt16LE(8);
  const header = bytes.toString("latin1", 10, headerEnd);
  const match = /^\{'descr': '([^']+)', 'fortran_order': False, 'shape': \((\d+), (\d+)\), \} *\n$/.exec(header);
  if (match === null || bytes.toString("latin1", 0, 8) !== "\u0093NUMPY\u0001\0") throw new Error(`no .npy: ${header}`);
  const ids = readFileSync(join(out, "ids.jsonl"), "utf8").trim().split("\n");
  return {
    descr: match[1] ?? "",
    shape: [Number(match[2]), Number(match[3])],
    data: bytes.subarray(headerEnd),
    ids: ids.map((line) => JSON.parse(line) as unknown),
  };
}

/** float32 [dimensions] of a row. */
export function rowOf({ data, shape }: Npy, row: number): Float32Array {
  const bytes = 4 * shape[1];
  return new Float32Array(Uint8Array.from(data.subarray(row * bytes, (row + 1) * bytes)).buffer);
}

/** The calls that embed. */
export function embedded(api: FakeEmbeddingApi) {
  return api.calls.filter(({ path }) => path === "/v1/embeddings");
}
