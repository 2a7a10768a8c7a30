// Example calls that work when pasted: they have this deployment's origin and the model's id, and take the key from the
// environment. Plain text, which the templates escape.

export interface Snippet {
  readonly id: string;
  readonly label: string;
  /** What must be installed first; undefined: nothing. */
  readonly needs?: string;
  readonly code: string;
}

const TEXT = "How do I reset my password?";

/** Snippets that embed one text with `modelId` at `origin`. */
export function snippetsOf(origin: string, modelId: string): readonly Snippet[] {
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
