// POST /v1/similarity. The texts are embedded, cached and charged as those of /v1/embeddings are.

import type { Context } from "../context.ts";
import { similarity } from "../endpoints/similarity.ts";
import { answerJson } from "./call-answer.ts";

export const postSimilarity = (c: Context): Promise<Response> => answerJson(c, similarity);
