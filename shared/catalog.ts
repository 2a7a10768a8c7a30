// The models that this product lists, with the prices and facts that a buyer sees. Backends announce which are served
// now (wire.ts, BackendReady), and the operator may set prices and status (`PUT /admin/models/…`).

import type { ModelRevision } from "./ids.ts";
import type { NanoUsd } from "./money.ts";
import { nanoUsd } from "./money.ts";
import { DEFAULT_QUERY_INSTRUCTION } from "./token-bound.ts";

export interface Prices {
  /** Nano-USD per 1,000,000 tokens. */
  readonly priceNanoUsdPerMillion: number;
  readonly hitPriceNanoUsdPerMillion: number;
  readonly batchPriceNanoUsdPerMillion: number;
  readonly batchHitPriceNanoUsdPerMillion: number;
  readonly minimumChargeNanoUsd: NanoUsd;
}

/** `embedding`: vectors of texts. `reranker`: scores of documents for a query. */
export type ModelKind = "embedding" | "reranker";

export type OperatorStatus = "live" | "coming_soon";

/** What the operator says of one revision (`PUT /admin/models/…/revisions/…`). */
export interface RevisionTerms {
  readonly revision: ModelRevision;
  /** Unix seconds until which it will be served; null: not said. */
  readonly supportedUntil: number | null;
  /** The revision that takes its place: a call that requires none is answered in another one. Null: none does. */
  readonly supersededBy: ModelRevision | null;
}

export interface CatalogModel {
  /** `owner/name`, case-sensitive. */
  readonly id: string;
  /** Undefined: its backend says it. */
  readonly kind: ModelKind | undefined;
  readonly name: string;
  readonly description: string;
  readonly license: string;
  /** Unix seconds. */
  readonly created: number;
  readonly contextTokens: number;
  /** 0: not known, or a reranker's, which has none. */
  readonly nativeDimensions: number;
  readonly defaultInstruction: string;
  readonly operatorStatus: OperatorStatus;
  readonly prices: Prices;
  /** Absent: the operator has said nothing of any. */
  readonly revisions?: readonly RevisionTerms[];
}

export const DEFAULT_PRICES: Prices = {
  priceNanoUsdPerMillion: 8_000_000,
  hitPriceNanoUsdPerMillion: 4_000_000,
  batchPriceNanoUsdPerMillion: 4_000_000,
  batchHitPriceNanoUsdPerMillion: 2_000_000,
  minimumChargeNanoUsd: nanoUsd(0),
};

/** Of the catalogue's reranker: a pair costs what its query and its document have in tokens. */
const RERANKER_PRICES: Prices = {
  priceNanoUsdPerMillion: 10_000_000,
  hitPriceNanoUsdPerMillion: 5_000_000,
  batchPriceNanoUsdPerMillion: 5_000_000,
  batchHitPriceNanoUsdPerMillion: 2_500_000,
  minimumChargeNanoUsd: nanoUsd(0),
};

export const PRODUCTION_MODEL_ID = "boboliu/Qwen3-Embedding-4B-W4A16-G128";
export const RERANKER_MODEL_ID = "Qwen/Qwen3-Reranker-0.6B";
export const DEMO_MODEL_ID = "gigarouter/demo-embedding";

export const CATALOG: readonly CatalogModel[] = [
  {
    id: PRODUCTION_MODEL_ID,
    kind: "embedding",
    name: "Qwen3 Embedding 4B",
    description:
      "Qwen3-Embedding-4B with 4-bit GPTQ weights in groups of 128 and 16-bit activations: instruction-aware, over 100 languages, Matryoshka dimensions.",
    license: "apache-2.0",
    created: Date.UTC(2025, 5) / 1000,
    contextTokens: 32_768,
    nativeDimensions: 2560,
    defaultInstruction: DEFAULT_QUERY_INSTRUCTION,
    operatorStatus: "live",
    prices: DEFAULT_PRICES,
  },
  {
    id: DEMO_MODEL_ID,
    kind: "embedding",
    name: "Demo Embedding",
    description:
      "The embedded demo: a small English model in the same architecture, so that everything can be tried without a GPU. Not for production use.",
    license: "apache-2.0",
    created: Date.UTC(2026, 10) / 1000,
    contextTokens: 8192,
    nativeDimensions: 256,
    defaultInstruction: DEFAULT_QUERY_INSTRUCTION,
    operatorStatus: "live",
    prices: DEFAULT_PRICES,
  },
  {
    id: RERANKER_MODEL_ID,
    kind: "reranker",
    name: "Qwen3 Reranker 0.6B",
    description:
      "Qwen3-Reranker-0.6B: reads a query and a document together and scores how well the one answers the other. Instruction-aware, over 100 languages.",
    license: "apache-2.0",
    created: Date.UTC(2025, 5) / 1000,
    contextTokens: 32_768,
    nativeDimensions: 0,
    defaultInstruction: DEFAULT_QUERY_INSTRUCTION,
    operatorStatus: "live",
    prices: RERANKER_PRICES,
  },
];
