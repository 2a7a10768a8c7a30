// Makes one call over a connection, as a client that reads, dawdles, or breaks off at a planned moment, and says what is
// known of it afterwards. It never throws: a failure is an outcome.

import { createHash } from "node:crypto";
import { Agent as HttpAgent, request as httpRequest } from "node:http";
import type { ClientRequest, IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import type { Outcome, PlannedCall, Served, ServedBody } from "./history.ts";
import { parseUsd } from "../../shared/money.ts";

/** The API's own limit of a call is a minute. */
const ANSWER_MS = 100_000;
const SLOW_PAUSE_MS = 20;
/** Such errors come before anything was sent. */
const NOT_CONNECTED = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);

const errorSchema = z.object({ error: z.object({ message: z.string(), code: z.nullable(z.string()) }) });
const usageSchema = z.object({
  usage: z.object({
    prompt_tokens: z.int(),
    prompt_tokens_details: z.object({ cached_tokens: z.int() }),
    cost: z.number(),
  }),
});

export class Sender {
  readonly #base: URL;
  readonly #key: string;
  readonly #agent: HttpAgent;
  readonly #request: typeof httpRequest;

  constructor(url: string, key: string, concurrency: number) {
    this.#base = new URL(url);
    this.#key = key;
    const isHttps = this.#base.protocol === "https:";
    const settings = { keepAlive: true, maxSockets: 2 * concurrency };
    this.#agent = isHttps ? new HttpsAgent(settings) : new HttpAgent(settings);
    this.#request = isHttps ? httpsRequest : httpRequest;
  }

  close(): void {
    this.#agent.destroy();
  }

  send(call: PlannedCall): Promise<Outcome> {
    const body = Buffer.from(call.body);
    const { manner } = call;
    const request = this.#request(new URL(call.path, this.#base), {
      method: "POST",
      agent: this.#agent,
      headers: {
        authorization: `Bearer ${this.#key}`,
        "content-type": "application/json",
        "content-length": body.byteLength,
        ...call.headers,
      },
    });
    return new Promise((resolve) => {
      const timer = setTimeout(() => breakOff(request), manner.kind === "leaves" ? manner.afterMs : ANSWER_MS);
      const end = (outcome: Outcome): void => {
        clearTimeout(timer);
        resolve(outcome);
      };
      request.on("error", (error: NodeJS.ErrnoException) => end(cut(call, error.code ?? error.message)));
      request.on("response", (response) => void answered(call, request, response).then(end));
      if (manner.kind === "breaks off") request.write(body.subarray(0, body.length >> 1), () => breakOff(request));
      else request.end(body);
    });
  }
}

/** A reset, and not an orderly end: the server learns of it at once. */
function breakOff(request: ClientRequest): void {
  request.socket?.resetAndDestroy();
  request.destroy();
}

/** The connection ended before the head of an answer. */
function cut({ manner }: PlannedCall, why: string): Outcome {
  if (manner.kind === "breaks off" || NOT_CONNECTED.has(why)) return { kind: "unsent", why };
  return { kind: "unknown", why: manner.kind === "leaves" ? "the audit left" : why };
}

async function answered(call: PlannedCall, request: ClientRequest, response: IncomingMessage): Promise<Outcome> {
  const isServed = response.statusCode === 200;
  if (isServed && call.manner.kind === "hangs up") {
    response.on("error", () => undefined);
    breakOff(request);
    return served(response, undefined);
  }
  const pauseMs = call.manner.kind === "slow" ? SLOW_PAUSE_MS : 0;
  const bytes = await read(response, pauseMs);
  if (isServed) return served(response, bytes === undefined ? undefined : bodyOf(bytes));
  return refused(call, response, bytes?.toString() ?? "");
}

/** Undefined: the connection broke before the end. */
async function read(response: IncomingMessage, pauseMs: number): Promise<Buffer | undefined> {
  const pieces: Buffer[] = [];
  try {
    const stream: AsyncIterable<Buffer> = response;
    for await (const piece of stream) {
      pieces.push(piece);
      if (pauseMs > 0) await sleep(pauseMs);
    }
    return Buffer.concat(pieces);
  } catch {
    return undefined;
  }
}

function served({ headers }: IncomingMessage, body: ServedBody | undefined): Served {
  return {
    kind: "served",
    requestId: String(headers["x-request-id"] ?? ""),
    costNanoUsd: parseUsd(String(headers["x-cost-usd"] ?? "")),
    replayed: headers["x-idempotent-replayed"] === "true",
    body,
  };
}

function bodyOf(bytes: Buffer): ServedBody {
  const { data } = usageSchema.safeParse(parsed(bytes.toString()));
  const usage = data && {
    tokens: data.usage.prompt_tokens,
    cachedTokens: data.usage.prompt_tokens_details.cached_tokens,
    costUsd: data.usage.cost,
  };
  return { digest: createHash("sha256").update(bytes).digest("hex"), usage };
}

function refused(call: PlannedCall, { statusCode = 0, headers }: IncomingMessage, text: string): Outcome {
  const { data } = errorSchema.safeParse(parsed(text));
  const code = data?.error.code ?? "";
  // A gateway's page says nothing of the call behind it; and so does the API itself of a strict call that it lost.
  const isOpen = statusCode >= 500 && (data === undefined || isUndecided(call, code));
  if (isOpen) return { kind: "unknown", why: `${statusCode} ${code}`.trim() };
  const seconds = Number(headers["retry-after"] ?? Number.NaN);
  const waitMs = Number.isFinite(seconds) ? seconds * 1000 : undefined;
  return { kind: "refused", status: statusCode, code, waitMs };
}

/** docs/errors.md: whether it was charged is learnt by a repeat under the same `Idempotency-Key`. */
function isUndecided({ idempotencyKey }: PlannedCall, code: string): boolean {
  return idempotencyKey !== undefined && code === "ledger_unavailable";
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
