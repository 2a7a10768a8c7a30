// The canary texts' vectors under one revision, from a backend that has it.

import type { Embedded } from "../backend/client.ts";
import type { Pool } from "../backend/pool.ts";
import { promptsOf } from "../embedding/prompts.ts";
import { Cancel } from "../lib/cancel.ts";
import type { Canary } from "../../shared/canaries.ts";
import { CANARIES, CANARIES_VERSION } from "../../shared/canaries.ts";
import { must } from "../../shared/assert.ts";
import type { CatalogModel } from "../../shared/catalog.ts";
import { ID_BYTES, idFromBytes, newId } from "../../shared/ids.ts";
import { cutVector, vectorBytes } from "../../shared/vectors.ts";
import type { BackendReady } from "../../shared/wire.ts";

/** Longer than an answer to a customer may take: a slow machine computes them once. */
const DEADLINE_MS = 120_000;
/** Whom the backend's fair queue takes the canaries for. */
const NOBODY = idFromBytes("account", new Uint8Array(ID_BYTES));
/** Two vectors that are each within d of a third, as 1 - cos of small angles: the angles add, the distance is their square. */
const BETWEEN_TWO = 4;

/** What is published of one revision: the text of a `vectors` field. */
export interface CanaryVectors {
  readonly version: number;
  readonly dimensions: number;
  /** As in /v1/models: alone, in a batch, in any order, the same bits on one class of processor. Null: not promised. */
  readonly reproducible: boolean | null;
  /** 1 - cos between two machines' vectors of a text, at most. Null: not promised. */
  readonly distance_max: number | null;
  /** `embedding`: as /v1/embeddings answers it in base64. */
  readonly items: readonly (Canary & { readonly tokens: number; readonly embedding: string })[];
}

interface Circumstances {
  readonly pool: Pick<Pool, "embed">;
  readonly waitUntil: (work: Promise<unknown>) => void;
}

/**
 * Throws ApiError or RevisionGone where the backend does not answer, and Error where it breaks its promise: what is
 * published cannot be taken back.
 */
export async function computeCanaries(
  circumstances: Circumstances,
  model: CatalogModel,
  ready: BackendReady,
): Promise<CanaryVectors> {
  const ask = (canaries: readonly Canary[]) => embed(circumstances, model, ready, canaries);
  const documents = CANARIES.filter(({ input_type: type }) => type === "document");
  const queries = CANARIES.filter(({ input_type: type }) => type === "query");
  const computed = new Map([...rowsOf(documents, await ask(documents)), ...rowsOf(queries, await ask(queries))]);
  const longest = documents.toSorted((a, b) => b.input.length - a.input.length).slice(0, 1);
  for (const [canary, alone] of rowsOf(longest, await ask(longest))) {
    if (ready.arithmetic?.reproducible !== true || alone.embedding === computed.get(canary)?.embedding) continue;
    throw new Error(`a canary of ${model.id} has other bits alone than in a batch`);
  }
  const { arithmetic } = ready;
  return {
    version: CANARIES_VERSION,
    dimensions: ready.dimensions,
    reproducible: arithmetic?.reproducible ?? null,
    distance_max: arithmetic === undefined ? null : arithmetic.float32DistanceMax * BETWEEN_TWO,
    items: CANARIES.map((canary) => ({ ...canary, ...must(computed.get(canary), "each canary was computed") })),
  };
}

function embed(
  { pool, waitUntil }: Circumstances,
  model: CatalogModel,
  ready: BackendReady,
  canaries: readonly Canary[],
): Promise<Embedded> {
  const prompts = promptsOf(model, ready);
  return pool.embed(
    {
      model: model.id,
      accountId: NOBODY,
      tier: "batch",
      texts: canaries.map(({ input: text }) => ({ kind: "text", text })),
      prefix: prompts[canaries[0]?.input_type ?? "plain"],
      truncate: "end",
    },
    ready.revision,
    {
      requestId: newId("request"),
      traceparent: undefined,
      deadlineMs: DEADLINE_MS,
      coldHoldMs: 0,
      signal: new Cancel(),
      waitUntil,
    },
  );
}

function rowsOf(canaries: readonly Canary[], { vectors, tokens, dimensions }: Embedded) {
  return canaries.map((canary, row) => {
    const vector = cutVector(vectors.subarray(row * dimensions, (row + 1) * dimensions), dimensions);
    return [canary, { tokens: tokens[row] ?? 0, embedding: vectorBytes(vector).toBase64() }] as const;
  });
}
