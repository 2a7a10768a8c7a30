// Example calls that work when pasted: they have this deployment's origin and the model's id, and take the key from the
// environment. Plain text, which the templates escape.

import type { PublicModel } from "./public-models.ts";
import { isReranker } from "./public-models.ts";

export interface Snippet {
  readonly id: string;
  readonly label: string;
  /** What must be installed first; undefined: nothing. */
  readonly needs?: string;
  readonly code: string;
}

const TEXT = "How do I reset my password?";

const DOCUMENTS = ["Open Settings, then Security.", "The invoice is sent on the first."];

/** Snippets of one call of the model at `origin`: a text embedded, or two documents ranked. */
export function snippetsOf(origin: string, model: PublicModel): readonly Snippet[] {
  return isReranker(model) ? rankingSnippets(origin, model.id) : embeddingSnippets(origin, model.id);
}

function rankingSnippets(origin: string, modelId: string): readonly Snippet[] {
  const documents = DOCUMENTS.map((text) => `"${text}"`).join(", ");
  return [
    {
      id: "curl",
      label: "curl",
      code: `curl ${origin}/v1/rerank \\
  -H "Authorization: Bearer $GIGAROUTER_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{
    "model": "${modelId}",
    "query": "${TEXT}",
    "documents": [${documents}]
  }'`,
    },
    {
      id: "python",
      label: "Python",
      needs: "pip install cohere",
      code: `import os
import cohere

client = cohere.ClientV2(base_url="${origin}", api_key=os.environ["GIGAROUTER_API_KEY"])
answer = client.rerank(
    model="${modelId}",
    query="${TEXT}",
    documents=[${documents}],
)
for result in answer.results:
    print(result.index, result.relevance_score)`,
    },
    {
      id: "node",
      label: "Node.js",
      needs: "npm install cohere-ai",
      code: `import { CohereClientV2 } from "cohere-ai";

const client = new CohereClientV2({ environment: "${origin}", token: process.env.GIGAROUTER_API_KEY });
const answer = await client.rerank({
  model: "${modelId}",
  query: "${TEXT}",
  documents: [${documents}],
});
for (const { index, relevanceScore } of answer.results) console.log(index, relevanceScore);`,
    },
  ];
}

function embeddingSnippets(origin: string, modelId: string): readonly Snippet[] {
  return [
    {
      id: "curl",
      label: "curl",
      code: `curl ${origin}/v1/embeddings \\
  -H "Authorization: Bearer $GIGAROUTER_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{
    "model": "${modelId}",
    "input": "${TEXT}"
  }'`,
    },
    {
      id: "python",
      label: "Python",
      needs: "pip install openai",
      code: `import os
from openai import OpenAI

client = OpenAI(base_url="${origin}/v1", api_key=os.environ["GIGAROUTER_API_KEY"])
answer = client.embeddings.create(model="${modelId}", input=["${TEXT}"])
print(len(answer.data[0].embedding), answer.usage.prompt_tokens)`,
    },
    {
      id: "node",
      label: "Node.js",
      needs: "npm install openai",
      code: `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${origin}/v1", apiKey: process.env.GIGAROUTER_API_KEY });
const answer = await client.embeddings.create({ model: "${modelId}", input: ["${TEXT}"] });
console.log(answer.data[0].embedding.length, answer.usage.prompt_tokens);`,
    },
  ];
}
