// The second pass: every new text is sent to POST /v1/embeddings once, and its vector stored. A request is written to
// disk before it is sent, under a key made from its content. So a request that was interrupted is sent again unchanged,
// and charged once (docs/contract.md, Headers: for 24 hours).

import * as z from "zod";
import type { Api, ApiAnswer, Clock } from "./api.ts";
import { Refusal, Stopped } from "./api.ts";
import { inParallel } from "./in-parallel.ts";
import type { Job } from "./job.ts";
import type { Pace } from "./pace.ts";
import { packed } from "./packed.ts";
import type { PackedText } from "./packed.ts";
import type { Progress } from "./progress.ts";
import type { Corpus, Row } from "./rows/row.ts";
import { HASH_BYTES, hashOf } from "./rows/row.ts";
import type { Bounds } from "./service.ts";
import { checked } from "./service.ts";
import type { Spend } from "./spend.ts";
import { Stop } from "./stop.ts";
import { REFUSED, SEEN, SENT } from "./text-table.ts";
import type { TextTable } from "./text-table.ts";
import { hashesOf, textsOf } from "./vector-store.ts";
import type { PendingRequest, VectorStore } from "./vector-store.ts";
import { float32ToFloat16Bits } from "../../shared/float16.ts";
import { formatUsd, parseUsd } from "../../shared/money.ts";

export interface EmbedJob {
  readonly api: Api;
  readonly clock: Clock;
  readonly corpus: Corpus;
  readonly table: TextTable;
  readonly bounds: Bounds;
  readonly job: Job;
  readonly store: VectorStore;
  readonly pace: Pace;
  readonly spend: Spend;
  readonly progress: Progress;
  /** The most texts of a request. */
  readonly textsMax: number;
  /** A request's fields without its texts. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
  /** Called for a text that the API refuses: throws, or marks it as left out. */
  readonly refuse: (row: Row, reason: string) => void;
  /** Ends the job: a request that was sent is awaited, and no other is sent. */
  readonly stop: AbortController;
}

/** Codes of refusals that fewer texts may avoid. */
const TOO_LARGE = new Set([
  "too_many_tokens",
  "too_many_inputs",
  "limit_exceeded",
  "result_too_large",
  "body_too_large",
  "deadline_exceeded",
]);

/** Whether the refusal is about the texts: then nothing was charged, and other texts may pass. */
function concernsTexts({ code, item }: Refusal): boolean {
  return item !== undefined || TOO_LARGE.has(code);
}

const embeddingsSchema = z.object({
  data: z.array(z.object({ index: z.int(), embedding: z.string() })),
  usage: z.object({ prompt_tokens: z.int() }),
});

/** Embeds the new texts. Throws Stop, Stopped, or what `refuse` throws; finished work is kept. */
export async function embedCorpus(work: EmbedJob): Promise<void> {
  const { corpus, table, bounds, pace, stop, textsMax: texts, store } = work;
  const end = (): void => stop.abort();
  await inParallel(
    [...store.pending()].filter((request) => isNeeded(table, request)),
    () => pace.concurrency,
    (request) => repeat(work, request),
    end,
  );
  const requests = packed(corpus, table, bounds, { texts, tokens: () => pace.textTarget }, (slot) => {
    if (!table.has(slot, SEEN) || table.has(slot, SENT | REFUSED) || table.record(slot) !== undefined) return false;
    table.set(slot, SENT);
    return true;
  });
  await inParallel(
    requests,
    () => pace.concurrency,
    (request) => send(work, request),
    end,
  );
}

/** Whether the corpus still has a text of the request. Otherwise it need not be paid for. */
export function isNeeded(table: TextTable, { body }: PendingRequest): boolean {
  return textsOf(body).some((text) => {
    const slot = table.find(hashOf(text));
    return slot >= 0 && table.has(slot, SEEN) && table.record(slot) === undefined;
  });
}

/** Sends an earlier run's request again. If the API refuses it now, its texts go into new requests. */
async function repeat(work: EmbedJob, { key, body }: PendingRequest): Promise<void> {
  const texts = textsOf(body);
  const bound = texts.reduce((sum, text) => sum + work.bounds.charged(text), 0);
  const refusal = await sendOnce(work, { key, body, bound, isOne: texts.length === 1 });
  if (refusal !== undefined && !concernsTexts(refusal)) throw stopOf(work, refusal);
}

async function send(work: EmbedJob, texts: readonly PackedText[]): Promise<void> {
  if (texts.length === 0) return;
  const bound = texts.reduce((sum, text) => sum + text.bound, 0);
  const body = JSON.stringify({ ...work.fields, input: texts.map(({ row }) => row.text) });
  const refusal = await sendOnce(work, { key: undefined, body, bound, isOne: texts.length === 1 });
  if (refusal === undefined) return;
  const { item, code, message } = refusal;
  const text = item === undefined ? undefined : texts[item];
  if (item !== undefined && text !== undefined) {
    work.refuse(text.row, message);
    work.table.set(text.slot, REFUSED);
    return send(work, texts.toSpliced(item, 1));
  }
  if (!TOO_LARGE.has(code) || texts.length === 1) throw stopOf(work, refusal);
  work.pace.tooLarge(bound);
  const half = Math.ceil(texts.length / 2);
  await send(work, texts.slice(0, half));
  await send(work, texts.slice(half));
}

interface EmbedRequest {
  /** Undefined: the request is not written to disk yet. */
  readonly key: string | undefined;
  readonly body: string;
  /** The most tokens. */
  readonly bound: number;
  readonly isOne: boolean;
}

/** Sends one request and stores its answer; resolves to the API's refusal where there is one. */
async function sendOnce(
  work: EmbedJob,
  { key: known, body, bound, isOne }: EmbedRequest,
): Promise<Refusal | undefined> {
  const { api, clock, job, store, spend, bounds, stop } = work;
  const reserved = await spend.reserve(bounds.cost(bound));
  let cost = 0;
  try {
    if (stop.signal.aborted) throw new Stopped();
    const key = known ?? (await store.expect(body, clock.now()));
    const headers = {
      ...work.headers,
      "idempotency-key": key,
      "x-require-revision": job.revision,
      ...(reserved === undefined ? {} : { "x-max-cost": formatUsd(reserved) }),
    };
    const answer = await api
      .call({ path: "/v1/embeddings", body, headers, ...(isOne ? {} : { final: "deadline_exceeded" }) })
      .catch((error: unknown) => {
        if (error instanceof Refusal) return error;
        throw error;
      });
    if (answer instanceof Refusal) {
      // Refused for another reason, such as the account's credit: it stays as it is, since it may have been charged
      // before.
      if (concernsTexts(answer)) store.forget(key);
      return answer;
    }
    cost = await keep(work, key, body, bound, answer);
    return undefined;
  } finally {
    spend.settle(reserved, cost);
  }
}

/** Stores an answer; resolves to its cost in nano-USD. */
async function keep(work: EmbedJob, key: string, body: string, bound: number, answer: ApiAnswer): Promise<number> {
  const { api, clock, job, pace, progress, store, table } = work;
  const { data, usage } = checked(api, embeddingsSchema, answer.json);
  const costNanoUsd = parseUsd(answer.headers.get("x-cost-usd") ?? "");
  if (costNanoUsd === undefined) throw new Stop(`${api.url} answers without x-cost-usd: is --url right?`);
  const revision = answer.headers.get("x-model-revision");
  if (revision !== job.revision) {
    throw new Stop(`${api.url} answers revision ${String(revision)}, and ${job.revision} was required.`);
  }
  const texts = textsOf(body);
  const vectors = Buffer.allocUnsafe(texts.length * store.vectorBytes);
  if (data.length !== texts.length)
    throw new Stop(`${api.url} answers ${data.length} vectors for ${texts.length} texts.`);
  for (const [position, { index, embedding }] of data.entries()) {
    const vector = vectorOf(Buffer.from(embedding, "base64"), job);
    if (vector.length !== store.vectorBytes || index !== position) {
      throw new Stop(
        `${api.url} answers a vector of ${vector.length} bytes for text ${index}; one of ${store.vectorBytes} for text ${position} was to come.`,
      );
    }
    vector.copy(vectors, index * store.vectorBytes);
  }
  const hashes = hashesOf(texts);
  const first = await store.append({ key, hashes, vectors, tokens: usage.prompt_tokens, costNanoUsd });
  for (let index = 0; index < texts.length; index += 1) {
    table.setRecord(table.add(hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES)), first + index);
  }
  pace.answered(bound, answer.sentMs, clock.now());
  progress.add({ texts: texts.length, tokens: usage.prompt_tokens, bound, costNanoUsd });
  return costNanoUsd;
}

/** A vector in the job's stored form. `bytes`: float32 [dimensions] from the API, or what the API quantised. */
function vectorOf(bytes: Buffer, { dtype, dimensions }: Job): Buffer {
  if (dtype !== "float16" || bytes.length !== 4 * dimensions) return bytes;
  const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  return Buffer.from(float32ToFloat16Bits(values).buffer);
}

function stopOf({ spend, store }: EmbedJob, { status, code, message }: Refusal): Stop {
  if (code === "max_cost_exceeded") return spend.reached();
  if (code === "revision_changed")
    return new Stop(
      `${message} Vectors of two revisions cannot be compared, so the job ends here; the ${store.totals.records} vectors that it has are kept. --restart embeds everything anew.`,
    );
  if (status === 402) return new Stop(`${message} What is done is kept: once that is mended the same command goes on.`);
  return new Stop(message);
}
