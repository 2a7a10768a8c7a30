// POST /v1/rerank and /v2/rerank. The texts are embedded, cached and charged as those of /v1/embeddings are.

import type { Context } from "../context.ts";
import type { Endpoint } from "../endpoints/endpoint.ts";
import { rerank } from "../endpoints/rerank.ts";
import { callAnswer } from "./call-answer.ts";

const [V1, V2] = [rerank("1"), rerank("2")];

export const postRerankV1 = (c: Context): Promise<Response> => postRerank(c, V1);
export const postRerankV2 = (c: Context): Promise<Response> => postRerank(c, V2);

async function postRerank(c: Context, endpoint: Endpoint): Promise<Response> {
  const { body, headers } = await callAnswer(c, endpoint);
  if (body.kind !== "json") throw new TypeError("a ranking is JSON");
  for (const [name, value] of Object.entries(headers)) c.header(name, value);
  return c.json(body.body);
}
