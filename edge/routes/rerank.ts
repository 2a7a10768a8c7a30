// POST /v1/rerank and /v2/rerank. The texts are embedded, cached and charged as those of /v1/embeddings are.

import type { Context } from "../context.ts";
import { rerank } from "../endpoints/rerank.ts";
import { answerJson } from "./call-answer.ts";

const [V1, V2] = [rerank("1"), rerank("2")];

export const postRerankV1 = (c: Context): Promise<Response> => answerJson(c, V1);
export const postRerankV2 = (c: Context): Promise<Response> => answerJson(c, V2);
