// The cost of the new texts, before anything is paid: counted by the model's own tokenizer (POST /v1/tokenize, free).
// Of a corpus that would take too long to count, only a part is counted: a sample chosen by hash, and every text that
// may be over the context, if those are few. The rest is estimated from the sample, with a bound.

import * as z from "zod";
import type { Api } from "./api.ts";
import { Refusal } from "./api.ts";
import { inParallel } from "./in-parallel.ts";
import { packed } from "./packed.ts";
import type { PackedText } from "./packed.ts";
import { TEXT_MAX } from "./pace.ts";
import type { Corpus, Row } from "./rows/row.ts";
import { hashOf } from "./rows/row.ts";
import type { Scan } from "./scan.ts";
import type { Bounds } from "./service.ts";
import { checked } from "./service.ts";
import { Stop } from "./stop.ts";
import { COUNTED, REFUSED, SEEN } from "./text-table.ts";
import type { TextTable } from "./text-table.ts";
import { INPUTS_MAX } from "../../shared/schemas/texts.ts";

/** The most requests of a complete count: less than half a minute's worth at 600 a minute. */
const REQUESTS_MAX = 256;
/** The most requests for texts that may be over the context, where the rest is a sample. */
const LONG_REQUESTS_MAX = 128;
const CONCURRENCY = 4;

export interface Quote {
  /** "whole": every text was counted. */
  readonly kind: "whole" | "sample";
  readonly countedTexts: number;
  readonly countedTokens: number;
  /** Tokens of all new texts, counted or estimated from the sample. */
  readonly tokens: number;
  /** An upper bound of `tokens`. */
  readonly tokensMax: number;
  /** Texts that the API would refuse. */
  readonly refused: number;
  /** The model's revision that counted; undefined if no text was new. */
  readonly revision: string | undefined;
}

export interface QuoteJob {
  readonly api: Api;
  readonly corpus: Corpus;
  readonly table: TextTable;
  readonly bounds: Bounds;
  readonly scan: Scan;
  readonly truncates: boolean;
  /** A request's fields without its texts. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Called for a text that the API refuses: throws, or marks it as left out. */
  readonly refuse: (row: Row, reason: string) => void;
  /** The most requests of a complete count; fewer in tests. */
  readonly requestsMax?: number;
}

const tokensSchema = z.object({ data: z.array(z.object({ count: z.int(), fits: z.boolean() })) });

/** Counts. Throws what `refuse` throws, Stop, or Stopped. */
export async function quote(job: QuoteJob): Promise<Quote> {
  const { table, bounds, scan, requestsMax = REQUESTS_MAX } = job;
  const needed = Math.max(scan.fresh / INPUTS_MAX, scan.freshBound / TEXT_MAX);
  const isWhole = needed <= requestsMax;
  // A text is in the sample if the head of its hash is below this, so every run has the same sample.
  const below = isWhole ? 2 ** 32 : (requestsMax / needed) * 2 ** 32;
  const countsLong = !job.truncates && scan.longBound / TEXT_MAX <= LONG_REQUESTS_MAX;
  const take = (slot: number, row: Row): boolean => {
    if (!table.has(slot, SEEN) || table.has(slot, COUNTED | REFUSED) || table.record(slot) !== undefined) return false;
    const isSample = isWhole || hashOf(row.text).readUInt32LE(12) < below;
    if (!isSample && !(countsLong && bounds.tokens(row.text) > bounds.contextTokens)) return false;
    table.set(slot, COUNTED);
    return true;
  };
  const counter = new Counter(job);
  const requests = packed(job.corpus, table, bounds, { texts: INPUTS_MAX, tokens: () => TEXT_MAX }, take);
  await inParallel(
    requests,
    () => CONCURRENCY,
    (texts) => counter.count(texts),
  );
  const { texts, tokens, bound, refused } = counter;
  const rest = scan.freshBound - bound - counter.refusedBound;
  const ratio = bound === 0 ? 1 : tokens / bound;
  return {
    kind: isWhole ? "whole" : "sample",
    countedTexts: texts,
    countedTokens: tokens,
    tokens: isWhole ? tokens : tokens + Math.ceil(ratio * rest),
    tokensMax: isWhole ? tokens : tokens + rest,
    refused,
    revision: counter.revision,
  };
}

class Counter {
  texts = 0;
  tokens = 0;
  /** The sum over the counted texts. */
  bound = 0;
  refused = 0;
  refusedBound = 0;
  revision: string | undefined;
  readonly #job: QuoteJob;

  constructor(job: QuoteJob) {
    this.#job = job;
  }

  async count(texts: readonly PackedText[]): Promise<void> {
    if (texts.length === 0) return;
    const { api, fields, truncates } = this.#job;
    const input = texts.map(({ row }) => row.text);
    const body = JSON.stringify({ ...fields, input });
    const answer = await api.call({ path: "/v1/tokenize", body }).catch((error: unknown) => {
      if (error instanceof Refusal) return error;
      throw error;
    });
    if (answer instanceof Refusal) return this.#without(texts, answer);
    const { headers, json } = answer;
    const { data } = checked(api, tokensSchema, json);
    if (data.length !== texts.length) throw new Stop(`${api.url} counts ${data.length} texts of ${texts.length}.`);
    this.revision ??= headers.get("x-model-revision") ?? undefined;
    for (const [index, { count, fits }] of data.entries()) {
      const text = texts[index];
      if (text === undefined) break;
      if (!fits && !truncates) {
        this.#refuse(text, "it is longer than the model's context: shorten it, or --truncate end|start");
        continue;
      }
      this.texts += 1;
      this.tokens += count;
      this.bound += text.bound;
    }
  }

  /** One text of the request is at fault: counts the others. */
  async #without(texts: readonly PackedText[], refusal: Refusal): Promise<void> {
    const { item } = refusal;
    const text = item === undefined ? undefined : texts[item];
    if (item === undefined || text === undefined) throw refusal;
    this.#refuse(text, refusal.message);
    await this.count(texts.toSpliced(item, 1));
  }

  #refuse({ slot, row, bound }: PackedText, reason: string): void {
    this.#job.refuse(row, reason);
    this.#job.table.set(slot, REFUSED);
    this.refused += 1;
    this.refusedBound += bound;
  }
}
