// What an audit did and what it was answered: the only thing that the bill is judged by. Times are ms of the audit's own
// clock. A call whose answer never came has an interval of costs, not a guess.

import type { Surface } from "./surfaces.ts";
import type { NanoUsd } from "../../shared/money.ts";
import type { Tier } from "../../shared/wire.ts";

/** How the audit behaves as a client. */
export type Manner =
  | { readonly kind: "whole" }
  /** Reads the answer with pauses. */
  | { readonly kind: "slow" }
  /** Breaks the connection so long after the request was sent, whatever has come back. */
  | { readonly kind: "leaves"; readonly afterMs: number }
  /** Breaks the connection in the middle of the body: the server never has the whole call. */
  | { readonly kind: "breaks off" }
  /** Breaks the connection at the head of the answer: the call is charged by then. */
  | { readonly kind: "hangs up" };

/** Whose form an answer has (forms.ts). */
export type FormName = "own" | "ollama" | "tei" | "cohere" | "gemini" | "mcp";

/** A line of a stream or of a batch's file. */
export interface PlannedLine {
  readonly text: string;
  /** What it is charged for, by the API's own quote; undefined: it has to fail. */
  readonly tokens: number | undefined;
}

/** Lines that take several requests, which are one charge. */
export type Job =
  /** Sent in as many pieces, with pauses; each of `manners` is how one request of it goes, and the last one is whole (stream.ts). */
  | {
      readonly kind: "stream";
      readonly lines: readonly PlannedLine[];
      readonly pieces: number;
      readonly manners: readonly Manner[];
      /** The most that each line costs alone, a miss: a frame is rounded up once. */
      readonly boundsNanoUsd: readonly number[];
      /** The least that all lines cost in one frame. */
      readonly leastNanoUsd: number;
    }
  /** Made twice under its `Idempotency-Key`, or cancelled while it runs (batch.ts). */
  | {
      readonly kind: "batch";
      readonly lines: readonly PlannedLine[];
      readonly endpoint: string;
      readonly isMadeTwice: boolean;
      readonly isCancelled: boolean;
    };

export interface PlannedCall {
  readonly surface: Surface;
  /** For people: `POST /v1/embeddings, 3 texts`. */
  readonly name: string;
  readonly path: string;
  readonly model: string;
  readonly tier: Tier;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly manner: Manner;
  readonly form: FormName;
  readonly job?: Job;
  /** What it is charged for if it is served, counted by the API's own quote; undefined: it has to be refused. */
  readonly tokens: number | undefined;
  /** The most that it costs: every token a miss. */
  readonly boundNanoUsd: NanoUsd;
  readonly maxCostNanoUsd?: NanoUsd;
  /** Calls with the same one are one charge. Absent too where the key comes with another body, which has to be refused. */
  readonly idempotencyKey?: string;
}

export type Outcome =
  | Served
  /** An error of the API's: charged nothing. */
  | { readonly kind: "refused"; readonly status: number; readonly code: string; readonly waitMs: number | undefined }
  /** The whole call was sent and its end is not known: charged once or not at all. */
  | { readonly kind: "unknown"; readonly why: string }
  /** The server never had the whole call: charged nothing. */
  | { readonly kind: "unsent"; readonly why: string };

export interface Served {
  readonly kind: "served";
  /** The API's id of the request. */
  readonly requestId: string;
  /** `x-cost-usd`, or the body's where its form has no such header; undefined: missing or no amount. */
  readonly costNanoUsd: NanoUsd | undefined;
  /** `x-cache`. */
  readonly cache?: string | undefined;
  /** Of a job: between which sums it was charged, by what its answers said. */
  readonly charged?: Interval;
  /** `x-idempotent-replayed`. */
  readonly replayed: boolean;
  /** What the body says; undefined: it was not read to its end. */
  readonly body: ServedBody | undefined;
}

export interface ServedBody {
  /** SHA-256, hex; without the time that a call took. */
  readonly digest: string;
  /** Undefined: it does not say what its form has to. */
  readonly usage: Told | undefined;
  /** Of a job: each line that was answered, or failed. */
  readonly parts?: readonly Part[];
  /** Of a job: what its answers have that cannot be right. */
  readonly broken?: readonly Broken[];
}

/** What an answer says that it is charged for. Absent: its form does not have it. */
export interface Told {
  readonly tokens?: number | undefined;
  readonly cachedTokens?: number | undefined;
  /** Undefined in a form that has it: no amount of whole nano-USD. */
  readonly costNanoUsd?: NanoUsd | undefined;
}

/** One line of a job. */
export interface Part {
  readonly name: string;
  /** By the quote; undefined: it had to fail. */
  readonly tokens: number | undefined;
  /** Undefined: it failed, and costs nothing. */
  readonly told: Told | undefined;
}

export interface Broken {
  readonly kind: "double" | "wrong price" | "books";
  readonly what: string;
}

export interface MadeCall {
  /** From 1, in the order of planning. */
  readonly id: number;
  readonly call: PlannedCall;
  readonly sentMs: number;
  readonly endedMs: number;
  readonly outcome: Outcome;
}

export type ServedCall = MadeCall & { readonly outcome: Served };

export function isServed(one: MadeCall): one is ServedCall {
  return one.outcome.kind === "served";
}

/** Nano-USD per 1M tokens, as GET /v1/models says. */
export interface Prices {
  readonly miss: number;
  readonly hit: number;
  readonly minimum: number;
}

/** One bucket of usage: of a model and a tier under the audit's key. */
export interface Figures {
  readonly requests: number;
  readonly tokens: number;
  readonly costNanoUsd: number;
}
export const NO_FIGURES: Figures = { requests: 0, tokens: 0, costNanoUsd: 0 };

export interface Interval {
  readonly least: Figures;
  readonly most: Figures;
}

/** By `usageName`. */
export type Usage = ReadonlyMap<string, Figures>;

export function usageName(model: string, tier: string): string {
  return `${model}, ${tier}`;
}

/** What the API said of the account, between two moments. */
export interface Reading {
  readonly askedMs: number;
  readonly answeredMs: number;
  readonly balanceNanoUsd: number;
  readonly heldNanoUsd: number;
  readonly usage: Usage;
}

/** A line of GET /v1/transactions. */
export interface Line {
  readonly id: string;
  /** Unix s. */
  readonly at: number;
  readonly kind: string;
  readonly amountNanoUsd: number;
  readonly balanceAfterNanoUsd: number;
  readonly keyId: string | undefined;
  readonly model: string | undefined;
}

/** The books of an account that rests, with its statement of the hours since the audit began, newest first. */
export interface Books {
  readonly reading: Reading;
  readonly lines: readonly Line[];
}
