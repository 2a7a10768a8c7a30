// The routes that a corpus job calls, with a balance, answers kept under their Idempotency-Key, and faults on demand. A
// text has a token a word and one more; its vector is made from its hash, so that a test can compute it.

import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { formatUsd, nanoUsd } from "../../shared/money.ts";
import { quantise, vectorBytes } from "../../shared/vectors.ts";
import type { OutputDtype } from "../../shared/vectors.ts";

export const FAKE_DIMENSIONS = 16;
export const FAKE_CONTEXT = 32;
/** Nano-USD per token. */
export const FAKE_PRICE = { interactive: 8, batch: 4 };

export interface FakeCall {
  readonly path: string;
  readonly body: { readonly input?: readonly string[]; readonly [field: string]: unknown };
  readonly headers: IncomingMessage["headers"];
  /** The number of the call among those to the same path, from 1. */
  readonly turn: number;
}

/** "drop": computes and charges, but breaks the connection instead of answering. */
export type FakeFault =
  | "drop"
  | { readonly status: number; readonly code: string; readonly param?: string; readonly retryAfterS?: number };

/** The words of a text, plus the ending token. */
export function fakeTokens(text: string): number {
  return text.split(/\s+/).filter((word) => word !== "").length + 1;
}

/** float32 [dimensions]. */
export function fakeVector(text: string, dimensions: number = FAKE_DIMENSIONS): Float32Array<ArrayBuffer> {
  const bytes = createHash("sha256").update(text).digest();
  return Float32Array.from({ length: dimensions }, (_, index) => ((bytes[index] ?? 0) - 127.5) / 128);
}

export class FakeEmbeddingApi {
  readonly calls: FakeCall[] = [];
  /** How often each text was computed and charged. */
  readonly charges = new Map<string, number>();
  chargedNanoUsd = 0;
  creditNanoUsd = 5_000_000_000;
  revision = "revision-1";
  /** Status by model; a reranker has "rerank" in its name, the others differ in nothing else. */
  models: Readonly<Record<string, string>> = { "fake/model": "live" };
  /** The most texts of a request. */
  textsMax = 2048;
  /** Called for each call before anything is done. */
  fault: (call: FakeCall) => FakeFault | undefined = () => undefined;
  /** Called at three moments of each embedding; a crash may happen in any. */
  moment: (when: "received" | "charged" | "answered", turn: number) => void = () => undefined;
  readonly #kept = new Map<string, { body: string; answer: object; headers: Record<string, string> }>();
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Forgets stored answers, as after a day. */
  forgetAnswers(): void {
    this.#kept.clear();
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = "";
    for await (const piece of request) text += String(piece);
    const path = request.url ?? "";
    const turn = this.calls.filter((call) => call.path === path).length + 1;
    const call: FakeCall = { path, body: text === "" ? {} : JSON.parse(text), headers: request.headers, turn };
    this.calls.push(call);
    const fault = this.fault(call) ?? this.#refusalOf(call);
    if (fault !== undefined && fault !== "drop") return refuse(response, fault);
    if (path === "/v1/embeddings") this.moment("received", turn);
    const { answer, headers } = this.#answer(call, text);
    if (path === "/v1/embeddings") this.moment("charged", turn);
    if (fault === "drop") return void response.destroy();
    response.writeHead(200, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(answer));
    if (path === "/v1/embeddings") this.moment("answered", turn);
  }

  #refusalOf({ path, body, headers }: FakeCall): FakeFault | undefined {
    // A repeated call gets its first answer, whatever credit is left.
    if (path !== "/v1/embeddings" || this.#kept.has(String(headers["idempotency-key"]))) return undefined;
    const { input = [], truncate } = body;
    if (headers["x-require-revision"] !== this.revision) return { status: 409, code: "revision_changed" };
    if (input.length > this.textsMax) return { status: 400, code: "limit_exceeded" };
    const long = input.findIndex((item) => fakeTokens(item) > FAKE_CONTEXT);
    if (long >= 0 && truncate === undefined) {
      return { status: 400, code: "context_length_exceeded", param: `input[${long}]` };
    }
    const cost = costOf(input, headers);
    if (cost > Number(headers["x-max-cost"] ?? "1") * 1e9) return { status: 400, code: "max_cost_exceeded" };
    return cost > this.creditNanoUsd ? { status: 402, code: "insufficient_credit" } : undefined;
  }

  #answer({ path, body, headers }: FakeCall, text: string): { answer: object; headers: Record<string, string> } {
    const { input = [], dimensions = FAKE_DIMENSIONS, output_dtype: dtype = "float" } = body;
    const revision = { "x-model-revision": this.revision };
    if (path === "/v1/models")
      return { answer: { data: Object.keys(this.models).map((id) => this.#model(id)) }, headers: {} };
    if (path.startsWith("/v1/models/")) return { answer: this.#model(decodeURIComponent(path.slice(11))), headers: {} };
    if (path === "/v1/account") return { answer: this.#account(), headers: {} };
    if (path === "/v1/tokenize") {
      const data = input.map((item) => ({ count: Math.min(fakeTokens(item), FAKE_CONTEXT), fits: fits(item) }));
      return { answer: { data }, headers: revision };
    }
    const key = headers["idempotency-key"] as string;
    const kept = this.#kept.get(key);
    if (kept !== undefined) {
      if (kept.body !== text) throw new Error("an Idempotency-Key came with another body");
      return kept;
    }
    const costNanoUsd = costOf(input, headers);
    for (const item of input) this.charges.set(item, (this.charges.get(item) ?? 0) + 1);
    this.chargedNanoUsd += costNanoUsd;
    this.creditNanoUsd -= costNanoUsd;
    const data = input.map((item, index) => {
      const vector = quantise(fakeVector(item, dimensions as number), dtype as OutputDtype);
      return { index, embedding: Buffer.from(vectorBytes(vector)).toString("base64") };
    });
    const answer = { data, usage: { prompt_tokens: tokensOf(input) } };
    const made = { body: text, answer, headers: { ...revision, "x-cost-usd": formatUsd(nanoUsd(costNanoUsd)) } };
    this.#kept.set(key, made);
    return made;
  }

  #model(id: string): object {
    return {
      id,
      kind: id.includes("rerank") ? "reranker" : "embedding",
      status: this.models[id],
      context_length: FAKE_CONTEXT,
      native_dimensions: FAKE_DIMENSIONS,
      prompts: id.includes("rerank") ? null : { query: "", document: "", default: "" },
      revision: this.revision,
      pricing: {
        price_nano_usd_per_million_tokens: FAKE_PRICE.interactive * 1e6,
        hit_price_nano_usd_per_million_tokens: (FAKE_PRICE.interactive * 1e6) / 2,
        batch_price_nano_usd_per_million_tokens: FAKE_PRICE.batch * 1e6,
        batch_hit_price_nano_usd_per_million_tokens: (FAKE_PRICE.batch * 1e6) / 2,
        minimum_charge_nano_usd: 0,
      },
    };
  }

  #account(): object {
    const limits = { requests_per_minute: 600, tokens_per_minute: 1_000_000 };
    return { spendable_nano_usd: this.creditNanoUsd, limits };
  }
}

function fits(text: string): boolean {
  return fakeTokens(text) <= FAKE_CONTEXT;
}

function tokensOf(input: readonly string[]): number {
  return input.reduce((sum, text) => sum + Math.min(fakeTokens(text), FAKE_CONTEXT), 0);
}

function costOf(input: readonly string[], headers: IncomingMessage["headers"]): number {
  return tokensOf(input) * FAKE_PRICE[headers["x-tier"] === "batch" ? "batch" : "interactive"];
}

function refuse(response: ServerResponse, fault: Exclude<FakeFault, "drop">): void {
  const { status, code, param = null, retryAfterS } = fault;
  const retry = retryAfterS === undefined ? {} : { "retry-after": String(retryAfterS) };
  response.writeHead(status, { "content-type": "application/json", ...retry });
  response.end(JSON.stringify({ error: { message: `refused: ${code}`, code, param } }));
}
