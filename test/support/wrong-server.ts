// A server that bills wrongly: it stands in front of a real one and spoils one answer in a few, each kind in its own way.
// `npm run audit` has to catch each.

import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
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
  | "shows another charge in the statement"
  | "drops a line of the statement";

/** One answer of so many is wrong. */
const EVERY = 4;
const PAID = new Set(["/v1/embeddings", "/embeddings", "/v1/similarity", "/v1/rerank", "/v2/rerank"]);
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
    let body = "";
    for await (const piece of request) body += String(piece);
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const asked = { method: request.method ?? "", path: request.url ?? "", headers: plain(request.headers), body };
    const isPaid = PAID.has(asked.path);
    const answer = isPaid ? await this.#paidCall(asked, gone.signal) : this.#read(asked, await this.#ask(asked));
    response.writeHead(answer.status, answer.headers).end(answer.text);
  }

  /** Whether this time is a wrong one. */
  #turn(): boolean {
    this.#paid += 1;
    if (this.#paid % EVERY !== 0) return false;
    this.spoilt += 1;
    return true;
  }

  async #paidCall(asked: Asked, signal: AbortSignal): Promise<Answer> {
    const answer = await this.#ask(this.#askedWrongly(asked), signal);
    return answer.status === 200 ? this.#answerWrongly(asked, answer) : answer;
  }

  #askedWrongly(asked: Asked): Asked {
    const { "idempotency-key": key, "x-max-cost": limit, ...headers } = asked.headers;
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
      case "charges twice": {
        const { "idempotency-key": _key, ...headers } = asked.headers;
        if (this.#turn()) await this.#ask({ ...asked, headers });
        return answer;
      }
      case "charges failures":
        return this.#turn() ? { ...answer, status: 500, text: FAILED } : answer;
      case "answers dearer than it charges":
        return this.#turn() ? dearer(answer) : answer;
      case "counts too many tokens":
        return this.#turn()
          ? withUsage(answer, (usage) => ({ prompt_tokens: Number(usage["prompt_tokens"]) + 1 }))
          : answer;
      case "answers repeats otherwise": {
        const isRepeat = answer.headers["x-idempotent-replayed"] === "true";
        if (isRepeat) this.spoilt += 1;
        return isRepeat ? { ...answer, text: `${answer.text}\n` } : answer;
      }
      default:
        return answer;
    }
  }

  /** What it says of the books. */
  #read({ path }: Asked, answer: Answer): Answer {
    if (answer.status !== 200) return answer;
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

function dearer(answer: Answer): Answer {
  const cost = nanoUsd((parseUsd(answer.headers["x-cost-usd"] ?? "") ?? 0) + 1);
  const { headers, ...rest } = withUsage(answer, () => ({ cost: usdNumber(cost) }));
  return { ...rest, headers: { ...headers, "x-cost-usd": formatUsd(cost) } };
}

function withUsage(answer: Answer, change: (usage: Record<string, unknown>) => object): Answer {
  const body = JSON.parse(answer.text) as { usage: Record<string, unknown> };
  return { ...answer, text: JSON.stringify({ ...body, usage: { ...body.usage, ...change(body.usage) } }) };
}

function plain(headers: NodeJS.Dict<string | string[]>): Record<string, string> {
  const entries = Object.entries(headers).filter(([name]) => !OWN_HEADERS.has(name));
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]));
}
