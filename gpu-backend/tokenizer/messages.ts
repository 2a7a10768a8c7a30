// What the server and a tokenizer process say to each other: the setup, then one slice of one call at a time.

import type { PairPrompt } from "../compiler/architectures/architecture.ts";
import type { PairFacts, PairQuery } from "./pair.ts";
import type { OnError, TokenEncoding, Truncation } from "../../shared/wire.ts";

export interface TokenizerSetup {
  readonly checkpointDir: string;
  readonly endTokenId: number;
  readonly vocabSize: number;
  readonly maxTokens: number;
  /** Of a reranker: how it reads pairs. */
  readonly pairs?: PairForm;
}

export interface PairForm {
  /** The architecture's; absent: the tokenizer's own template. */
  readonly prompt?: PairPrompt;
  /** Token types that the model tells apart. */
  readonly types: number;
}

/** A string, or the caller's own ids. */
export type TokenizerInput = string | Uint32Array;

export interface SliceRequest {
  readonly slice: number;
  readonly prefix: string;
  /** Given: the inputs are documents, each read with this query. */
  readonly pair: PairQuery | undefined;
  readonly truncate: Truncation;
  readonly inputs: readonly TokenizerInput[];
  /** Of the inputs that are ids; undefined: the model's own. */
  readonly encoding: TokenEncoding | undefined;
  /** `per_item`: a text that has a problem does not keep the others from their ids. */
  readonly onError: OnError;
}

/** Why a text cannot be tokenised. `at` counts within the slice; `ofQuery`: it is the pairs' query that cannot. */
export type TextProblem = { readonly ofQuery?: true } & (
  | { readonly kind: "too_long"; readonly at: number; readonly tokens: number; readonly counted: boolean }
  | { readonly kind: "too_complex"; readonly at: number; readonly reason: string }
  | { readonly kind: "beyond_vocabulary"; readonly at: number; readonly id: number }
  | { readonly kind: "beyond_table"; readonly at: number; readonly id: number }
  /** A fault of ours or the library's. */
  | { readonly kind: "failed"; readonly at: number }
  | { readonly kind: "not_in_encoding"; readonly at: number; readonly id: number; readonly encoding: TokenEncoding }
);

export interface SliceIds {
  /** All ids of the slice, text after text. */
  readonly ids: Int32Array<ArrayBuffer>;
  readonly lengths: Uint32Array<ArrayBuffer>;
  /** Per text: 1 where something was cut off. */
  readonly truncated: Uint8Array<ArrayBuffer>;
  /** Of the slice's texts given as ids: how many do not survive decode → encode. */
  readonly foreignIds: number;
  /** Of the texts that have no ids, in order. */
  readonly problems: readonly TextProblem[];
}

export type ToTokenizer =
  | { readonly kind: "setup"; readonly setup: TokenizerSetup }
  | { readonly kind: "slice"; readonly request: SliceRequest };

export type ProcessMessage =
  /** `pairs`: of a reranker's tokenizer. */
  | { readonly kind: "ready"; readonly pairs: PairFacts | undefined }
  | { readonly kind: "unusable"; readonly message: string }
  /** The query of the slice's pairs has been read; what takes time now is a document. */
  | { readonly kind: "query"; readonly slice: number }
  | ({ readonly kind: "ids"; readonly slice: number } & SliceIds)
  | { readonly kind: "problem"; readonly slice: number; readonly problem: TextProblem };
