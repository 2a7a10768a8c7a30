// A stream of lines that is broken off and gone on with until its last line: by its `resume`, or whole again under its
// `Idempotency-Key`. Each line is charged once over all of it. What an answer that broke off has not told stays an interval.

import { setTimeout as sleep } from "node:timers/promises";
import type { ClientRequest, IncomingMessage } from "node:http";
import * as z from "zod";
import { parsed } from "./forms.ts";
import type { Broken, Interval, Job, Manner, Outcome, Part, PlannedCall } from "./history.ts";
import { refused } from "./refused.ts";
import { ANSWER_MS, breakOff, readAll } from "./wire.ts";
import type { Wire } from "./wire.ts";
import { nanoUsd, parseUsd } from "../../shared/money.ts";

type StreamJob = Extract<Job, { kind: "stream" }>;

/** Longer than the API waits for more lines of a frame. */
const PIECE_PAUSE_MS = 150;
const SLOW_PAUSE_MS = 20;
/** Requests for one stream: what was charged is computed again ten times at most. */
const REQUESTS_MAX = 8;
const RETRY_MS = 500;
/** What passes: the request before still runs, or the API is busy. */
const PASSING = new Set(["idempotency_in_progress", "ledger_unavailable", "overloaded", "rate_limit_exceeded"]);

const toldSchema = z.object({ done: z.int(), tokens: z.int(), cost_usd: z.number(), resume: z.string() });
const lastSchema = toldSchema.extend({
  complete: z.boolean(),
  error: z.object({ code: z.string(), retry_after_s: z.number().optional() }).optional(),
});
const itemSchema = z.object({ index: z.int(), tokens: z.int(), embedding: z.unknown().optional() });
type Told = z.output<typeof toldSchema>;
type Last = z.output<typeof lastSchema>;

/** What one request of the stream came to. */
interface Answered {
  /** Undefined: no head came. */
  readonly status?: number;
  /** An answer without success. */
  readonly refused?: Outcome;
  readonly text: string;
}

export async function runStream(wire: Wire, call: PlannedCall, job: StreamJob): Promise<Outcome> {
  const stream = new Stream(call, job);
  for (let requests = 0; requests < REQUESTS_MAX; requests += 1) {
    const manner = job.manners[requests] ?? { kind: "whole" };
    const answer = await request(wire, stream.next(), manner, job.pieces);
    const waitMs = stream.take(answer);
    if (waitMs === undefined) break;
    if (waitMs > 0) await sleep(waitMs);
  }
  return stream.outcome();
}

const NEVER_ASKED: Outcome = { kind: "unsent", why: "no request was made" };

interface Asked {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly lines: readonly string[];
}

class Stream {
  readonly #call: PlannedCall;
  readonly #job: StreamJob;
  readonly #parts = new Map<number, Part>();
  readonly #broken: Broken[] = [];
  #resume: string | undefined;
  /** The first line of the next request. */
  #from = 0;
  /** All lines before it are answered, and so charged. */
  #done = 0;
  /** By all answers. */
  #toldNanoUsd = 0;
  /** From here on lines may have been charged of which no answer has told. */
  #untoldFrom = Infinity;
  #answers = 0;
  #last: Last | undefined;
  #refused: Outcome | undefined;

  constructor(call: PlannedCall, job: StreamJob) {
    this.#call = call;
    this.#job = job;
  }

  next(): Asked {
    const { path, headers } = this.#call;
    return {
      path: this.#resume === undefined ? path : `${path}&resume=${encodeURIComponent(this.#resume)}`,
      headers,
      lines: this.#job.lines.slice(this.#from).map(({ text }) => text),
    };
  }

  /** Ms until the next request; undefined: this was the last. */
  take({ status, refused: outcome, text }: Answered): number | undefined {
    const isKeyed = "idempotency-key" in this.#call.headers;
    if (outcome !== undefined) {
      this.#refused = outcome;
      if (outcome.kind === "refused" && PASSING.has(outcome.code)) return outcome.waitMs ?? RETRY_MS;
      if (outcome.kind === "unknown") this.#untold(this.#from);
      return undefined;
    }
    this.#refused = undefined;
    if (status !== undefined) this.#answers += 1;
    const { told, last } = this.#read(text);
    this.#last = last;
    if (last === undefined) this.#untold(told?.done ?? this.#from);
    if (told !== undefined) {
      const cost = parseUsd(told.cost_usd);
      if (cost === undefined) this.#broken.push({ kind: "wrong price", what: `cost_usd is ${told.cost_usd}` });
      this.#toldNanoUsd += cost ?? 0;
      this.#done = Math.max(this.#done, told.done);
      if (!isKeyed) [this.#resume, this.#from] = [told.resume, told.done];
    }
    if (last?.complete === true) return undefined;
    if (last !== undefined) {
      const { code = "", retry_after_s: seconds } = last.error ?? {};
      return PASSING.has(code) ? (seconds ?? 0) * 1000 + RETRY_MS : undefined;
    }
    // Nothing says how to go on: what it came to is not known.
    return isKeyed || this.#resume !== undefined ? RETRY_MS : undefined;
  }

  #untold(from: number): void {
    this.#untoldFrom = Math.min(this.#untoldFrom, from);
  }

  /** The whole lines of an answer: its items, and what it told at last. */
  #read(text: string): { readonly told: Told | undefined; readonly last: Last | undefined } {
    let [told, last, next]: [Told | undefined, Last | undefined, number] = [undefined, undefined, this.#from];
    for (const line of text.slice(0, text.lastIndexOf("\n") + 1).split("\n")) {
      if (line === "") continue;
      const json = parsed(line);
      const item = itemSchema.safeParse(json).data;
      if (item === undefined) {
        last = lastSchema.safeParse(json).data;
        told = last ?? toldSchema.safeParse(json).data;
        if (told === undefined) this.#broken.push({ kind: "books", what: "a line of the answer is none" });
        continue;
      }
      if (item.index !== next) {
        this.#broken.push({ kind: "books", what: `line ${item.index} came where line ${next} had to` });
      }
      next = item.index + 1;
      const isAnswered = item.embedding !== undefined;
      this.#parts.set(item.index, {
        name: `line ${item.index}`,
        tokens: this.#job.lines[item.index]?.tokens,
        told: isAnswered ? { tokens: item.tokens } : undefined,
      });
    }
    return { told, last };
  }

  outcome(): Outcome {
    const isUntold = Number.isFinite(this.#untoldFrom);
    if (this.#answers === 0) return isUntold ? { kind: "unknown", why: "no answer" } : (this.#refused ?? NEVER_ASKED);
    const isOne = this.#answers === 1 && this.#last !== undefined;
    const charged = this.#charged();
    return {
      kind: "served",
      requestId: "",
      costNanoUsd: nanoUsd(this.#toldNanoUsd),
      replayed: false,
      charged,
      body: {
        digest: "",
        usage: isOne ? { tokens: this.#last?.tokens } : {},
        parts: [...this.#parts.values()],
        broken: this.#broken,
      },
    };
  }

  /** All lines before `done` were charged, once; those behind it perhaps, where an answer broke off. */
  #charged(): Interval {
    const { lines, boundsNanoUsd, leastNanoUsd } = this.#job;
    const isUntold = Number.isFinite(this.#untoldFrom);
    const told = this.#toldNanoUsd;
    const isWhole =
      this.#last?.complete === true &&
      lines.every(({ tokens }, at) => tokens === undefined || this.#parts.get(at)?.told !== undefined);
    if (isWhole && !isUntold && told < leastNanoUsd) {
      const what = `it cost ${told} nano-USD; its lines are at least ${leastNanoUsd} by /v1/models`;
      this.#broken.push({ kind: "wrong price", what });
    }
    const tokens = [...this.#parts].reduce(
      (all, [at, part]) => all + (at < this.#done ? (part.told?.tokens ?? 0) : 0),
      0,
    );
    const behind = isUntold && !isWhole ? lines.slice(this.#done) : [];
    const untold = boundsNanoUsd.reduce((all, bound, at) => all + (at >= this.#untoldFrom ? bound : 0), 0);
    const least = {
      requests: this.#done > 0 ? 1 : 0,
      tokens,
      costNanoUsd: isWhole && isUntold ? Math.max(told, leastNanoUsd) : told,
    };
    const most = {
      requests: lines.length,
      tokens: tokens + behind.reduce((all, line) => all + (line.tokens ?? 0), 0),
      costNanoUsd: Math.max(told, Math.min(this.#call.boundNanoUsd, told + untold)),
    };
    return { least, most };
  }
}

/** One request, sent in pieces and read meanwhile. */
function request(wire: Wire, { path, headers, lines }: Asked, manner: Manner, pieces: number): Promise<Answered> {
  const sent = wire.open("POST", path, { "content-type": "application/x-ndjson", ...headers });
  return new Promise((resolve) => {
    let text = "";
    let status: number | undefined;
    const timer = setTimeout(() => breakOff(sent), manner.kind === "leaves" ? manner.afterMs : ANSWER_MS);
    const end = (refusal?: Outcome): void => {
      clearTimeout(timer);
      resolve({ ...(status !== undefined && { status }), ...(refusal !== undefined && { refused: refusal }), text });
    };
    sent.on("error", () => end());
    sent.on("response", (response) => {
      if (response.statusCode !== 200) {
        void whole(response).then(end);
        return;
      }
      status = 200;
      void readLines(response, manner, sent, (piece) => (text += piece)).then(() => end());
    });
    void write(sent, lines, manner, pieces);
  });
}

async function whole(response: IncomingMessage): Promise<Outcome> {
  const { statusCode: status = 0, headers } = response;
  const text = (await readAll(response))?.toString() ?? "";
  return refused({}, { status, headers, text });
}

async function readLines(
  response: IncomingMessage,
  manner: Manner,
  sent: ClientRequest,
  take: (piece: string) => void,
): Promise<void> {
  response.setEncoding("utf8");
  try {
    const stream: AsyncIterable<string> = response;
    for await (const piece of stream) {
      take(piece);
      if (manner.kind === "slow") await sleep(SLOW_PAUSE_MS);
      if (manner.kind !== "hangs up") continue;
      breakOff(sent);
      return;
    }
  } catch {
    // What came before it broke is what is known.
  }
}

/** Ends early where the connection breaks. */
async function write(sent: ClientRequest, lines: readonly string[], { kind }: Manner, pieces: number): Promise<void> {
  const size = Math.max(1, Math.ceil(lines.length / pieces));
  for (let from = 0; from < lines.length && !sent.destroyed; from += size) {
    if (from > 0) await sleep(PIECE_PAUSE_MS);
    const piece = lines.slice(from, from + size).map((line) => `${line}\n`);
    if (kind === "breaks off" && from + size >= lines.length) {
      sent.write(piece.join("").slice(0, -2), () => breakOff(sent));
      return;
    }
    sent.write(piece.join(""));
  }
  sent.end();
}
