// What the server process and the engine process say to each other (child_process "advanced" serialisation, so typed
// arrays travel as bytes).

import type { ModelConfig } from "../checkpoint/read-config.ts";
import type { Precision } from "../compiler/compiled-model.ts";
import type { BatchBudget } from "./batch-budget.ts";
import type { SessionOptions } from "./graph-session.ts";

export interface StartMessage {
  readonly kind: "start";
  readonly session: SessionOptions;
  readonly shape: ModelShape;
  readonly budget: BatchBudget;
  /** Given: compile this first, and open what came of it rather than `session.graphPath`. */
  readonly compile?: CompileRequest;
}

export type ModelShape = Pick<
  ModelConfig,
  "layers" | "hiddenSize" | "keyValueHeads" | "headDim" | "dimensions" | "reranker"
>;

export interface CompileRequest {
  readonly checkpointDir: string;
  readonly precision: Precision;
  readonly cacheDir: string;
}

export interface RunMessage {
  readonly kind: "run";
  readonly id: number;
  /** Token ids of all texts, one after the other. */
  readonly ids: Int32Array;
  /** Tokens of each text. */
  readonly lengths: Int32Array;
  /** [texts]: as RunOptions.owners. */
  readonly owners: Int32Array;
}
/** The next chunk of a long text. Answered by SteppedMessage, or by a result after the last chunk. */
export interface StepMessage {
  readonly kind: "step";
  readonly id: number;
  /** With the first chunk. */
  readonly ids?: Int32Array;
}
export type ToEngine =
  | StartMessage
  | RunMessage
  | StepMessage
  /** Nobody waits for this long text any more. No answer. */
  | { readonly kind: "drop"; readonly id: number }
  | { readonly kind: "ping" };

export interface FailedText {
  readonly index: number;
  /** Absent: the vector, or the score, was not finite. */
  readonly reason?: string;
}

export interface ResultMessage {
  readonly kind: "result";
  readonly id: number;
  /** [texts, words] (row-form.ts). */
  readonly vectors: Uint16Array;
  readonly failed: readonly FailedText[];
  readonly runMs: number;
}
export interface SteppedMessage {
  readonly kind: "stepped";
  readonly id: number;
  readonly runMs: number;
}
export type FromEngine =
  | { readonly kind: "ready" }
  | { readonly kind: "cannot-start"; readonly reason: string }
  /** It ends now, with its work undone: another process may do it. */
  | { readonly kind: "ends"; readonly reason: string }
  | ResultMessage
  | SteppedMessage
  | { readonly kind: "pong" };
