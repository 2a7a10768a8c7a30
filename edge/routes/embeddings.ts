// POST /v1/embeddings (and /embeddings).

import { embeddingsAnswer } from "../answer/embeddings-answer.ts";
import type { Context } from "../context.ts";
import { embeddings } from "../endpoints/embeddings.ts";
import { callAnswer } from "./call-answer.ts";

export async function postEmbeddings(c: Context): Promise<Response> {
  const { body, vectors, headers } = await callAnswer(c, embeddings);
  if (body.kind !== "embeddings") throw new TypeError("embeddings answer vectors");
  return embeddingsAnswer(c, { ...body, vectors, headers });
}
