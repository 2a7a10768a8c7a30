// Backends in memory, for the pool and all above it: they speak the wire (shared/wire.ts) as the real one does, and do
// on request what broken ones do. Vectors are made from the text alone, so that a test can tell whose vector it got.

import type { CancelSignal } from "../../../edge/lib/cancel.ts";
import { ERRORS } from "../../../shared/errors.ts";
import { decodeFrame, encodeFrame, FRAME_CONTENT_TYPE } from "../../../shared/frame.ts";
import { float32ToFloat16Bits } from "../../../shared/float16.ts";
import { parseRevision } from "../../../shared/ids.ts";
import type { ModelRevision } from "../../../shared/ids.ts";
import { embedRequestSchema, scoreRequestSchema } from "../../../shared/wire.ts";
import type {
  BackendFault,
  BackendReady,
  EmbedRequest,
  ItemFault,
  Prompts,
  Reranker,
  ScoreRequest,
} from "../../../shared/wire.ts";

export const MODEL = "owner/model";
export const DIMENSIONS = 8;

function revisionOf(digit: string): ModelRevision {
  const revision = parseRevision(digit.repeat(16));
  if (revision === undefined) throw new TypeError("a hex digit makes a revision");
  return revision;
}
export const REVISION_1 = revisionOf("1");
export const REVISION_2 = revisionOf("2");

/** How a backend behaves towards calls that do work. */
export type Behaviour =
  | { readonly kind: "well" }
  | { readonly kind: "refuses connections" }
  | { readonly kind: "hangs" }
  /** It, or a proxy before it, does not take the secret; `calls`: an older one, whose /ready does not look at it. */
  | { readonly kind: "refuses the secret"; readonly status: 401 | 403; readonly where: "everywhere" | "calls" }
  | { readonly kind: "fault"; readonly fault: BackendFault }
  | { readonly kind: "answers"; readonly status: number; readonly body: string }
  | { readonly kind: "half a frame" }
  | { readonly kind: "damaged frame" }
  | { readonly kind: "wrong count" }
  | { readonly kind: "wrong revision" }
  /** Waits for `go` first. */
  | { readonly kind: "waits"; readonly go: Promise<void> };

export class FakeBackend {
  readonly origin: string;
  model = MODEL;
  behaviour: Behaviour = { kind: "well" };
  /** undefined: it does not answer /ready. */
  status: "ready" | "warming" | "draining" | undefined = "ready";
  revision = REVISION_1;
  /** undefined: it is one that does not say. */
  prompts: Prompts | undefined;
  matryoshka: boolean | undefined;
  /** Set: it serves a reranker. */
  reranker: Reranker | undefined;
  arithmetic: BackendReady["arithmetic"];
  queueSeconds = 0;
  tokensPerSecond: number | null = 1000;
  /** Texts whose vectors come with `truncated`. */
  truncates = new Set<string>();
  /** Texts that have no vector, and why. */
  faulty = new Map<string | number, Pick<BackendFault, "code" | "facts">>();
  readonly embeds: EmbedRequest[] = [];
  readonly tokenizes: EmbedRequest[] = [];
  readonly scores: ScoreRequest[] = [];
  readonly scoreTokenizes: ScoreRequest[] = [];
  /** In place of the scores that it would answer. */
  answersScores: readonly number[] | undefined;
  /** `among`: how many texts the call has. */
  vectorOf: (text: string | number, revision: ModelRevision, among: number) => Uint16Array = vectorOf;
  readyCalls = 0;
  readonly headers: Headers[] = [];
  readonly signals: (AbortSignal | undefined)[] = [];

  constructor(origin: string) {
    this.origin = origin;
  }

  async answer(path: string, init: RequestInit): Promise<Response> {
    const signal = init.signal ?? undefined;
    if (this.behaviour.kind === "refuses connections") throw new TypeError("connection refused");
    if (this.behaviour.kind === "refuses the secret" && (this.behaviour.where === "everywhere" || path !== "/ready")) {
      return new Response("<h1>No</h1>", { status: this.behaviour.status });
    }
    if (path === "/ready") return this.#ready();
    this.signals.push(signal);
    this.headers.push(new Headers(init.headers));
    if (this.behaviour.kind === "hangs") return untilAborted(signal);
    if (this.behaviour.kind === "waits") await Promise.race([this.behaviour.go, untilAborted(signal)]);
    const frame = decodeFrame(new Uint8Array(await new Response(init.body).arrayBuffer()));
    if (frame.kind !== "frame") throw new TypeError(`a request that ${frame.reason}`);
    if (path.startsWith("/score")) {
      const request = scoreRequestSchema.parse(frame.header);
      (path === "/score" ? this.scores : this.scoreTokenizes).push(request);
      return this.#act(request, () =>
        path === "/score"
          ? this.#score(request)
          : this.#tokenize(pairsOf(request), request.documents, this.#faultsOf(request)),
      );
    }
    const request = embedRequestSchema.parse(frame.header);
    (path === "/embed" ? this.embeds : this.tokenizes).push(request);
    return this.#act(request, () =>
      path === "/embed" ? this.#embed(request) : this.#tokenize(request.texts, request.texts, this.#faultsOf(request)),
    );
  }

  #ready(): Response {
    this.readyCalls += 1;
    if (this.status === undefined) throw new TypeError("connection refused");
    const report = {
      status: this.status,
      model: this.model,
      revision: this.revision,
      dimensions: DIMENSIONS,
      contextTokens: 8192,
      vocabularySize: 1000,
      endTokenId: 0,
      pooling: "last",
      ...(this.prompts === undefined ? {} : { prompts: this.prompts }),
      ...(this.matryoshka === undefined ? {} : { architecture: "bert", matryoshka: this.matryoshka }),
      ...(this.reranker === undefined ? {} : { kind: "reranker", reranker: this.reranker, dimensions: 1 }),
      ...(this.arithmetic === undefined ? {} : { arithmetic: this.arithmetic }),
      load: { queueSeconds: this.queueSeconds },
      tokensPerSecond: this.tokensPerSecond,
    };
    return Response.json(report, { status: this.status === "ready" ? 200 : 503 });
  }

  #act(request: EmbedRequest | ScoreRequest, answer: () => Response): Response {
    if (request.revision !== null && request.revision !== this.revision) return fault(OTHER_REVISION);
    switch (this.behaviour.kind) {
      case "fault":
        return fault(this.behaviour.fault);
      case "answers":
        return new Response(this.behaviour.body, { status: this.behaviour.status });
      default: {
        const [first] = this.#faultsOf(request);
        return first === undefined || request.onError === "per_item" ? answer() : fault(first);
      }
    }
  }

  #faultsOf(request: EmbedRequest | ScoreRequest): ItemFault[] {
    return ("documents" in request ? request.documents : request.texts).flatMap((text, index) => {
      const why = this.faulty.get(text);
      return why === undefined ? [] : [{ ...why, message: "The text is bad.", index, retryAfterS: null }];
    });
  }

  #embed(request: EmbedRequest): Response {
    const { kind } = this.behaviour;
    const faults = this.#faultsOf(request);
    const { texts } = request;
    const sent = kind === "wrong count" ? texts.slice(1) : texts;
    const vectors = sent
      .filter((text) => !this.faulty.has(text))
      .map((text) => this.vectorOf(text, this.revision, sent.length));
    const payload = new Uint16Array(vectors.length * DIMENSIONS);
    for (const [index, vector] of vectors.entries()) payload.set(vector, index * DIMENSIONS);
    const header = {
      version: 1,
      revision: kind === "wrong revision" ? revisionOf("f") : this.revision,
      dimensions: DIMENSIONS,
      tokens: sent.map((text) => (this.faulty.has(text) ? 0 : tokensOf(text))),
      ...(faults.length > 0 && { faults }),
      truncated: sent.map((text) => typeof text === "string" && this.truncates.has(text)),
      load: { queueSeconds: this.queueSeconds },
      timings: { tokenizeMs: 1, queueMs: 2, runMs: 3 },
    };
    const frame = encodeFrame(JSON.stringify(header), new Uint8Array(payload.buffer));
    if (kind === "damaged frame") frame[frame.length - 3] = (frame[frame.length - 3] ?? 0) ^ 1;
    return frameResponse(kind === "half a frame" ? frame.slice(0, frame.length / 2) : frame);
  }

  #score(request: ScoreRequest): Response {
    const pairs = pairsOf(request);
    const faults = this.#faultsOf(request);
    const isBad = (place: number) => this.faulty.has(request.documents[place] ?? "");
    const good = pairs.filter((_, place) => !isBad(place));
    const scores = this.answersScores ?? good.map((pair) => scoreOf(pair, this.revision));
    const header = {
      version: 1,
      revision: this.revision,
      tokens: pairs.map((pair, place) => (isBad(place) ? 0 : tokensOf(pair))),
      ...(faults.length > 0 && { faults }),
      truncated: request.documents.map((document) => this.truncates.has(document)),
      load: { queueSeconds: this.queueSeconds },
      timings: { tokenizeMs: 1, queueMs: 2, runMs: 3 },
    };
    return frameResponse(encodeFrame(JSON.stringify(header), new Uint8Array(Float32Array.from(scores).buffer)));
  }

  /** `texts` as the model reads them, `sent` as they were sent. */
  #tokenize(texts: EmbedRequest["texts"], sent: EmbedRequest["texts"], faults: readonly ItemFault[]): Response {
    const tokens = texts.map((text, place) => (this.faulty.has(sent[place] ?? "") ? 0 : tokensOf(text)));
    const ids = new Uint32Array(tokens.reduce((sum, count) => sum + count, 0));
    const truncated = sent.map((text) => typeof text === "string" && this.truncates.has(text));
    const header = { version: 1, revision: this.revision, tokens, truncated, ...(faults.length > 0 && { faults }) };
    return frameResponse(encodeFrame(JSON.stringify(header), new Uint8Array(ids.buffer)));
  }
}

/** A `fetch` that reaches these backends and nothing else. */
export function fetchOf(backends: readonly FakeBackend[]): (url: string, init: RequestInit) => Promise<Response> {
  return async (url, init) => {
    const { origin, pathname } = new URL(url);
    const backend = backends.find((one) => one.origin === origin);
    if (backend === undefined) throw new TypeError(`no backend at ${origin}`);
    return backend.answer(pathname, init);
  };
}

/** One token a letter and the ending token; a count is itself and the ending token. */
export function tokensOf(text: string | number): number {
  return (typeof text === "number" ? text : text.length) + 1;
}

/** The canonical vector of `text`: told apart by text and revision. */
export function vectorOf(text: string | number, revision: ModelRevision): Uint16Array {
  const values = new Float32Array(DIMENSIONS);
  const seed = `${revision}${text}`;
  for (let index = 0; index < seed.length; index += 1) {
    values[index % DIMENSIONS] = (values[index % DIMENSIONS] ?? 0) + seed.charCodeAt(index) * (index + 1);
  }
  const norm = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  return float32ToFloat16Bits(values.map((value) => value / norm));
}

/** A template of one character around instruction, query and document. */
function pairsOf({ instruction, query, documents }: ScoreRequest): string[] {
  return documents.map((document) => `${instruction ?? ""}${query}|${document}`);
}

/** The score of a pair: a float32 in 0..1, told apart by pair and revision. */
export function scoreOf(pair: string, revision: ModelRevision): number {
  let hash = 0x811c9dc5;
  for (const character of revision + pair) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return Math.fround(hash / 2 ** 32);
}

const OTHER_REVISION: BackendFault = {
  code: "model_not_ready",
  message: "another revision",
  index: null,
  facts: {},
  retryAfterS: null,
};

function fault(error: BackendFault): Response {
  return Response.json({ error }, { status: ERRORS[error.code].status });
}

function frameResponse(frame: Uint8Array<ArrayBuffer>): Response {
  return new Response(frame, { headers: { "content-type": FRAME_CONTENT_TYPE } });
}

function untilAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    const fail = (): void => reject(new DOMException("aborted", "AbortError"));
    if (signal?.aborted === true) fail();
    else signal?.addEventListener("abort", fail);
  });
}

/** A promise that resolves when `open` is called. */
export class Gate {
  open: () => void = unopened;
  readonly opened = new Promise<void>((resolve) => {
    this.open = resolve;
  });
}

function unopened(): void {
  throw new TypeError("a promise's executor runs at once");
}

/** A clock of its own: time stands while anything runs, and jumps to the next sleeper's end when nothing does. */
export class ManualClock {
  nowMs = 1_000_000;
  #sleepers: { readonly untilMs: number; readonly wake: () => void }[] = [];
  readonly now = (): number => this.nowMs;
  /** For tests in which something else than time decides: sleepers sleep on. */
  stands = false;
  /** Runs before each sleep: what happens while the code under test waits. */
  duringSleep: (ms: number) => void = () => undefined;
  readonly sleep = (ms: number, signal?: CancelSignal): Promise<void> =>
    new Promise((wake) => {
      this.duringSleep(ms);
      const sleeper = { untilMs: this.nowMs + ms, wake };
      signal?.addEventListener("abort", () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        wake();
      });
      this.#sleepers.push(sleeper);
      if (!this.stands) setTimeout(() => this.#jump(), 1);
    });

  /** Sleepers now. */
  get sleeping(): number {
    return this.#sleepers.length;
  }

  /** For a clock that stands: the next sleeper's time has come. */
  wakeNext(): void {
    this.#jump();
  }

  advance(ms: number): void {
    this.nowMs += ms;
  }

  #jump(): void {
    this.#sleepers.sort((a, b) => a.untilMs - b.untilMs);
    const next = this.#sleepers.shift();
    if (next === undefined) return;
    this.nowMs = Math.max(this.nowMs, next.untilMs);
    next.wake();
  }
}
