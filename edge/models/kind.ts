// Embedding model or reranker: which of the two a name is, and what a call is told that needs the other one.

import type { CatalogModel, ModelKind } from "../../shared/catalog.ts";
import type { ApiError } from "../../shared/errors.ts";
import { apiError } from "../../shared/errors.ts";
import type { BackendReady } from "../../shared/wire.ts";

/** The catalogue's word first: an answer that was stored under it is read under it. Undefined: nobody has said it yet. */
export function kindOf(model: CatalogModel, announced: BackendReady | undefined): ModelKind | undefined {
  return model.kind ?? (announced === undefined ? undefined : (announced.kind ?? "embedding"));
}

/** For a call of an embedding route that names a reranker. */
export function embedsNothing(model: string): ApiError {
  return apiError(
    "incompatible_options",
    `\`${model}\` is a reranker: it scores documents for a query and embeds nothing. Send \`query\` and \`documents\` to POST /v1/rerank, or name an embedding model (\`kind\` in GET /v1/models says which are).`,
    "model",
  );
}
