// A server that bills wrongly: it stands in front of a real one and spoils one answer in a few, each kind in its own way.
// `npm run audit` has to catch each.

import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { NanoUsd } from "../../shared/money.ts";
import { formatUsd, nanoUsd, parseUsd, usdNumber } from "../../shared/money.ts";

export type Wrong =
  | "nothing"
  | "charges twice"
  | "charges nothing"
  | "charges failures"
  | "answers dearer than it charges"
  | "counts too many tokens"
  | "charges repeats"
  | "answers repeats otherwise"
  | "ignores X-Max-Cost"
  | "overdraws the account"
  | "charges what is resumed"
  | "runs a batch twice"
  | "makes a batch anew for a repeat"
  | "hides a line of a batch"
  | "shows another charge in the statement"
  | "drops a line of the statement";

/** One answer of so many is wrong. */
const EVERY = 2;
/** Calls that are answered and charged in one; not batches. */
const PAID =
  /^\/(?:v1\/embeddings|embeddings|v1\/similarity|v[12]\/rerank|v2\/embed|api\/embed|v1\/migrate|mcp|v1(?:beta)?\/models\/)/;
const RESULTS = /^\/v1\/files\/[^/]+\/content$/;
const LINES_PAUSE_MS = 20;
/** Of the connection, or made anew here. */
const OWN_HEADERS = new Set(["host", "connection", "content-length", "content-encoding", "transfer-encoding", "date"]);

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

export class WrongServer {
  /** How many answers were wrong. */
  spoilt = 0;
  readonly #upstream: string;
  readonly #wrong: Wrong;
  readonly #otherKey: string;
  readonly #server = createServer((request, response) => {
    // The client left, or the server behind did: nobody waits for an answer.
    this.#serve(request, response).catch(() => response.destroy());
  });
  #paid = 0;
  readonly #keys = new Set<string>();

  /** `otherKey`: of an account that pays for what "charges nothing" answers. */
  constructor(upstream: string, wrong: Wrong, otherKey: string) {
    this.#upstream = upstream;
    this.#wrong = wrong;
    this.#otherKey = otherKey;
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const body = Buffer.concat(pieces).toString();
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const asked = { method: request.method ?? "", path: request.url ?? "", headers: plain(request.headers), body };
    const isPaid = asked.method === "POST" && PAID.test(asked.path);
    const answer = isPaid ? await this.#paidCall(asked, gone.signal) : await this.#other(asked);
    response.writeHead(answer.status, answer.headers);
    const firstLine = answer.text.indexOf("\n") + 1;
    if (answer.headers["content-type"]?.includes("ndjson") !== true) response.end(answer.text);
    else {
      // In two pieces, so that a stream can be broken off between them.
      response.write(answer.text.slice(0, firstLine), () => {
        setTimeout(() => response.end(answer.text.slice(firstLine)), LINES_PAUSE_MS);
      });
    }
  }

  /** Whether this time is a wrong one. */
  #turn(): boolean {
    this.#paid += 1;
    if (this.#paid % EVERY !== 0) return false;
    this.spoilt += 1;
    return true;
  }

  async #paidCall(asked: Asked, signal: AbortSignal): Promise<Answer> {
    if (this.#wrong === "charges what is resumed" && this.#isAgain(asked)) await this.#ask(begunAnew(asked));
    const answer = await this.#ask(this.#askedWrongly(asked), signal);
    return answer.status === 200 ? this.#answerWrongly(asked, answer) : answer;
  }

  /** Whether a stream is gone on with, or sent again. */
  #isAgain({ path, headers }: Asked): boolean {
    const key = headers["idempotency-key"];
    const isAgain = path.includes("&resume=") || (key !== undefined && this.#keys.has(key));
    if (key !== undefined) this.#keys.add(key);
    if (isAgain) this.spoilt += 1;
    return isAgain;
  }

  #askedWrongly(asked: Asked): Asked {
    const { "idempotency-key": key, "x-max-cost": limit, ...headers } = asked.headers;
    if (asked.path === "/mcp" && !asked.body.includes("tools/call")) return asked;
    if (this.#wrong === "ignores X-Max-Cost" && limit !== undefined) {
      this.spoilt += 1;
      return { ...asked, headers: { ...headers, ...(key !== undefined && { "idempotency-key": key }) } };
    }
    if (this.#wrong === "charges nothing" && key === undefined && this.#turn()) {
      return { ...asked, headers: { ...asked.headers, authorization: `Bearer ${this.#otherKey}` } };
    }
    if (this.#wrong !== "charges repeats" || key === undefined) return asked;
    const isRepeat = this.#keys.has(key);
    this.#keys.add(key);
    if (isRepeat) this.spoilt += 1;
    return isRepeat ? { ...asked, headers } : asked;
  }

  async #answerWrongly(asked: Asked, answer: Answer): Promise<Answer> {
    switch (this.#wrong) {
      case "charges twice":
        if (this.#turn()) await this.#ask(begunAnew(asked));
        return answer;
      case "charges failures":
        return this.#turn() ? { ...answer, status: 500, text: FAILED } : answer;
      case "answers dearer than it charges":
        return this.#turn() ? dearer(answer) : answer;
      case "counts too many tokens":
        return this.#turn() ? longer(answer) : answer;
      case "answers repeats otherwise": {
        const isRepeat = answer.headers["x-idempotent-replayed"] === "true";
        if (isRepeat) this.spoilt += 1;
        return isRepeat ? { ...answer, text: `${answer.text}\n` } : answer;
      }
      default:
        return answer;
    }
  }

  /** Batches, and the books. */
  async #other(asked: Asked): Promise<Answer> {
    const key = asked.headers["idempotency-key"];
    const isOrder = asked.method === "POST" && asked.path === "/v1/batches";
    if (isOrder && this.#wrong === "makes a batch anew for a repeat") {
      const isRepeat = this.#keys.has(key ?? "");
      this.#keys.add(key ?? "");
      if (isRepeat) this.spoilt += 1;
      return this.#ask(isRepeat ? begunAnew(asked) : asked);
    }
    const answer = this.#read(asked, await this.#ask(asked));
    if (isOrder && this.#wrong === "runs a batch twice" && this.#turn()) await this.#ask(begunAnew(asked));
    if (!RESULTS.test(asked.path) || !answer.text.includes('"cost":')) return answer;
    if (this.#wrong === "answers dearer than it charges" && this.#turn()) return dearer(answer);
    if (this.#wrong !== "hides a line of a batch" || !this.#turn()) return answer;
    return { ...answer, text: answer.text.slice(answer.text.indexOf("\n") + 1) };
  }

  /** What it says of the books. */
  #read({ path }: Asked, answer: Answer): Answer {
    if (answer.status !== 200 || !/^\/v1\/(?:account|transactions)/.test(path)) return answer;
    const body = JSON.parse(answer.text) as { balance_nano_usd: number; data: { amount_nano_usd: number }[] };
    const [first] = body.data ?? [];
    if (this.#wrong === "overdraws the account" && path === "/v1/account") body.balance_nano_usd = -1;
    else if (first === undefined || !path.startsWith("/v1/transactions")) return answer;
    else if (this.#wrong === "shows another charge in the statement") first.amount_nano_usd -= 1;
    else if (this.#wrong === "drops a line of the statement") body.data.shift();
    else return answer;
    this.spoilt += 1;
    return { ...answer, text: JSON.stringify(body) };
  }

  async #ask({ method, path, headers, body }: Asked, signal?: AbortSignal): Promise<Answer> {
    const response = await fetch(this.#upstream + path, {
      method,
      headers,
      ...(method === "POST" && { body }),
      ...(signal !== undefined && { signal }),
    });
    return {
      status: response.status,
      headers: plain(Object.fromEntries(response.headers)),
      text: await response.text(),
    };
  }
}

const FAILED = JSON.stringify({
  error: { message: "failed", type: "server_error", param: null, code: "internal_error" },
});

/** The same without its `Idempotency-Key` or `resume`. */
function begunAnew({ headers: { "idempotency-key": _key, ...headers }, path, ...asked }: Asked): Asked {
  return { ...asked, headers, path: path.replace(/&resume=[^&]*/, "") };
}

/** A nano-dollar more, wherever the form has it. */
function dearer({ headers, text, status }: Answer): Answer {
  const raise = (usd: string | number): NanoUsd => nanoUsd((parseUsd(usd) ?? 0) + 1);
  const head = headers["x-cost-usd"];
  return {
    status,
    headers: { ...headers, ...(head !== undefined && { "x-cost-usd": formatUsd(raise(head)) }) },
    text: text.replace(
      /"(cost|cost_usd)":([\d.e-]+)/g,
      (_, name: string, usd: string) => `"${name}":${usdNumber(raise(Number(usd)))}`,
    ),
  };
}

/** A token more, wherever the form has it. */
function longer(answer: Answer): Answer {
  const names = "prompt_tokens|prompt_eval_count|input_tokens|promptTokenCount|tokens";
  const text = answer.text.replace(
    new RegExp(`"(${names})":(\\d+)`, "g"),
    (_, name: string, count: string) => `"${name}":${Number(count) + 1}`,
  );
  return { ...answer, text };
}

function plain(headers: NodeJS.Dict<string | string[]>): Record<string, string> {
  const entries = Object.entries(headers).filter(([name]) => !OWN_HEADERS.has(name));
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]));
}
