// The guides among the docs pages, in their order: each is the file of its name in docs/, shown at /docs/NAME and, as
// Markdown, with `.md` behind that path. scripts/dev-server/guide-files.ts makes both forms when the assets are built.

export interface Guide {
  readonly name: string;
  readonly title: string;
  readonly description: string;
}

/** What stands in the pages for the deployment's origin: where `npm start` serves, so that the repository's own work too. */
export const GUIDE_ORIGIN = "http://127.0.0.1:8787";

export const GUIDES: readonly Guide[] = [
  { name: "from-openai", title: "From OpenAI", description: "What stays, what is embedded and tuned anew." },
  { name: "clients", title: "Clients", description: "Every client that was tried, and what each must be told." },
  {
    name: "stores",
    title: "Vector stores",
    description: "sqlite-vec, pgvector, LanceDB: kept up to date, searched in two passes.",
  },
  { name: "mcp", title: "MCP", description: "Tools for agents: embed, compare, rank, quote, usage." },
  { name: "streams", title: "Streams", description: "Any number of lines in, lines out as they are done, resumed." },
  { name: "batches", title: "Batches", description: "Large jobs at the batch price, in OpenAI's shape." },
  { name: "corpus-job", title: "A corpus", description: "Millions of texts from the command line." },
  { name: "webhooks", title: "Webhooks", description: "Alerts, and how their deliveries are verified." },
  { name: "keys", title: "Keys", description: "What a key may do, and when it is over." },
  {
    name: "signatures",
    title: "Signatures",
    description: "What is signed, and how to check it: canaries of each revision.",
  },
  { name: "errors", title: "Errors", description: "Every error code, what it means and what to do." },
  {
    name: "bill",
    title: "Proof of the bill",
    description: "Each line of the statement proved offline, and an audit from outside.",
  },
  { name: "contract", title: "The contract", description: "The rules that customers rely on, with all limits." },
];
