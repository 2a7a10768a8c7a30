// The endpoints that batches can use.

import type { BatchEndpoint } from "../../shared/schemas/batches.ts";
import { embeddings } from "./embeddings.ts";
import type { LineEndpoint } from "./endpoint.ts";
import { rerank } from "./rerank.ts";

export const ENDPOINTS: Readonly<Record<BatchEndpoint, LineEndpoint>> = {
  "/v1/embeddings": embeddings,
  "/v1/rerank": rerank("1"),
};
