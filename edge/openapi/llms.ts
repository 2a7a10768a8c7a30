// /llms.txt: the API on one page of plain Markdown, for agents. /llms-full.txt: that page, then all that it links to.

import type { Operation } from "./operation.ts";
import { TAGS } from "./operation.ts";
import { CATALOG } from "../../shared/catalog.ts";

/** A guide: edge/pages/guides.ts. */
interface DocsPage {
  readonly name: string;
  readonly title: string;
  readonly description: string;
}

/** By https://llmstxt.org: a title, a summary, sections. */
export function llmsText(origin: string, operations: readonly Operation[], pages: readonly DocsPage[]): string {
  const models = CATALOG.map(
    ({ id, kind, description, nativeDimensions, contextTokens }) =>
      `- \`${id}\`: ${description} ${kind === "reranker" ? "For POST /v1/rerank" : `${nativeDimensions} dimensions`}, ${contextTokens} tokens of context.`,
  );
  return `# gigarouter embeddings

> A prepaid, OpenAI-compatible embedding API. Base URL \`${origin}/v1\`, header \`Authorization: Bearer gr-…\`. Any OpenAI client works once its base URL and key are set.

\`\`\`sh
curl ${origin}/v1/embeddings -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\
  -d '{"model": "${CATALOG[0]?.id ?? ""}", "input": ["a text", "another"]}'
\`\`\`

- Queries carry an instruction, documents none: send \`"input_type": "query"\`, or \`"instruction": "…"\`, or the model as \`NAME:query\`.
- \`dimensions\` cuts a vector (Matryoshka) and normalises it again; vectors are always normalised, so a dot product is a cosine.
- POST /v1/rerank orders documents for a query: a reranker's id runs the reranker, an embedding model's id the cosine (\`method\` says which).
- Clients of Cohere (v2), Gemini, Jina, Ollama, Text Embeddings Inference and Voyage work unmodified (below, "Other vendors' forms").
- LangChain's OpenAIEmbeddings needs \`check_embedding_ctx_length=False\`: it sends token ids of another tokenizer otherwise.
- One bad text fails its call, unless you send \`"on_error": "per_item"\` (or the model as \`NAME:per_item\`): then \`data[i]\` is a vector, or \`{"object": "error", "index", "error"}\` in its place.
- A failed call is never charged. \`X-Max-Cost: 0.001\` refuses a call that would cost more; POST /v1/tokenize quotes it for free.
- Vectors of two revisions of a model cannot be compared. Answers say theirs (\`x-model-revision\`); \`"revision": "…"\`, or the header \`X-Require-Revision\`, refuses any other with a 409 that costs nothing.
- The Model Context Protocol is at ${origin}/mcp, the key as bearer: tools to embed, compare, rank, quote and see usage.
- Errors are \`{"error": {"message", "type", "param", "code"}}\`; every code has a section at ${origin}/docs/errors. Retry 429 and 503 after \`Retry-After\`.

## Models
${models.join("\n")}

## Documents
- [OpenAPI 3.1](${origin}/v1/openapi.json): every route, field and error
- [API reference](${origin}/docs.md): the same as Markdown; to browse: ${origin}/docs
${pages.map(({ name, title, description }) => `- [${title}](${origin}/docs/${name}.md): ${description}\n`).join("")}- [All of these in one file](${origin}/llms-full.txt)
${Object.entries(TAGS)
  .map(([tag, about]) => section(tag, about, operations))
  .join("")}`;
}

function section(tag: string, about: string, operations: readonly Operation[]): string {
  const routes = operations
    .filter((operation) => operation.tag === tag)
    .map(({ method, path, summary }) => `- \`${method.toUpperCase()} ${path}\`: ${summary}`);
  return `\n## ${tag}\n${about}\n${routes.join("\n")}\n`;
}
