// The load generator, a process of its own: keeps `connections` calls under way over as many kept-alive connections,
// for `seconds` after a warm-up, and answers by IPC with what they took. Any answer but the expected one ends it.

import { Agent, request } from "node:http";
import type { Shape } from "./shapes.ts";
import { bodyOf } from "./shapes.ts";

export interface LoadJob {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly model: string;
  readonly shape: Shape;
  readonly connections: number;
  readonly seconds: number;
  /** At least so many calls in each connection, however long they take. */
  readonly callsMin: number;
  /** The same texts in every call: all but the first are cache hits. */
  readonly repeats?: boolean;
  /** An `Idempotency-Key` of its own for each call. */
  readonly idempotent?: boolean;
  /** What calls are answered; 200, with vectors, unless told. */
  readonly statuses?: readonly number[];
}

export interface LoadResult {
  readonly calls: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

let serial = 0;

process.on("message", (job: LoadJob) => {
  run(job).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.once("disconnect", () => process.exit(0));

async function run(job: LoadJob): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: job.connections });
  const took: number[] = [];
  const begun = performance.now();
  const endMs = begun + job.seconds * 1000;
  const connection = async (): Promise<void> => {
    for (let calls = 0; calls < job.callsMin || performance.now() < endMs; calls += 1) {
      serial += 1;
      const text = job.repeats === true ? "again" : `${process.pid}-${serial}`;
      const started = performance.now();
      await call(job, agent, bodyOf(job.shape, job.model, text));
      took.push(performance.now() - started);
    }
  };
  await Promise.all(Array.from({ length: job.connections }, connection));
  const seconds = (performance.now() - begun) / 1000;
  agent.destroy();
  took.sort((a, b) => a - b);
  const at = (share: number): number => took[Math.min(took.length - 1, Math.floor(share * took.length))] ?? 0;
  return { calls: took.length, seconds, p50Ms: at(0.5), p99Ms: at(0.99) };
}

/** One call, its answer thrown away as it comes. */
function call(job: LoadJob, agent: Agent, body: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = request(
      job.url,
      {
        method: "POST",
        agent,
        headers: {
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
          ...(job.idempotent === true && { "idempotency-key": crypto.randomUUID() }),
          ...job.headers,
        },
      },
      (response) => {
        let head = "";
        let bytes = 0;
        response.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          if (head.length < 300) head += chunk.toString("latin1", 0, 300);
        });
        response.on("error", reject);
        response.on("end", () => {
          // Fewer bytes than the vectors have is no answer, whatever the status says.
          const { statusCode = 0 } = response;
          const isWhole = statusCode === 200 && bytes > job.shape.texts * 1000;
          if (job.statuses?.includes(statusCode) ?? isWhole) resolve();
          else reject(new Error(`${job.url}: ${response.statusCode} ${head.slice(0, 300)}`));
        });
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}
