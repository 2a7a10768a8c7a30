// The ways to spend that an audit drives.

export const SURFACES = [
  "embeddings",
  "similarity",
  "rerank",
  "streams",
  "batches",
  "ollama",
  "tei",
  "cohere",
  "gemini",
  "migrate",
  "mcp",
] as const;
export type Surface = (typeof SURFACES)[number];

/** Of a request to `/mcp`. */
export const MCP_HEADERS = { accept: "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18" };
