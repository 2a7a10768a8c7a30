// Pages of docs/ as programs: each snippet, with the development server's constants put in and a last line that hands over
// what it computed. The page is the only source, so that what it shows is what is tested.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { unreachable } from "../../shared/assert.ts";

/** The pages whose snippets run with the clients (those of docs/stores.md: stores.test.ts). */
const PAGES = ["clients", "from-openai", "mcp"];
const SNIPPET = /^<!-- client (\{.*\}) -->\n```(?:js|python|go)\n([\s\S]*?)^```$/gm;
const FENCE = /^```(?:js|python|go)$/gm;

const markSchema = z.strictObject({
  name: z.string(),
  runtime: z.enum(["node", "python", "go"]),
  /** Node: the program runs once per entry, with these packages installed under the names they are mapped to. */
  as: z.array(z.record(z.string(), z.string())).default([{}]),
  /** Python: the package whose version is shown. */
  package: z.string().optional(),
  /** It reranks two documents: it runs with a reranker in the model's place too. */
  reranks: z.boolean().default(false),
  /** Its vectors are cut to so many numbers; absent: whole. */
  dimensions: z.number().optional(),
  /** It fails by itself when something is wrong, and hands nothing over. */
  asserts: z.boolean().default(false),
  /** The program must end with an error that says all of this. */
  fails: z.array(z.string()).optional(),
});
export type Snippet = z.infer<typeof markSchema> & { readonly code: string };
export type Runtime = Snippet["runtime"];

/** The constants that stand for a server in the page. */
export interface Server {
  readonly url: string;
  readonly apiKey: string;
  readonly model: string;
  readonly reranker: string;
}

/** What a program hands over in the file that RESULT_FILE names; absent what it has not computed. */
export const resultSchema = z.strictObject({
  vectors: z.array(z.array(z.number())).nullable(),
  query: z.array(z.number()).nullable(),
  results: z.array(z.tuple([z.number(), z.number()])).nullable(),
  /** Of the example that retrieves, then reranks. */
  candidates: z.array(z.number()).nullable(),
  found: z.array(z.tuple([z.number(), z.number()])).nullable(),
  /** Of the stores' examples. */
  hits: z.array(z.object({ id: z.string(), score: z.number() })).nullable(),
});
export type Result = z.infer<typeof resultSchema>;

const NODE_END = `
const orNull = (read) => { try { return read(); } catch (error) { if (error instanceof ReferenceError) return null; throw error; } };
(await import("node:fs")).writeFileSync(process.env.RESULT_FILE, JSON.stringify({
  vectors: orNull(() => vectors.map((vector) => [...vector])),
  query: orNull(() => [...query]),
  results: orNull(() => results),
  candidates: orNull(() => candidates),
  found: orNull(() => found),
  hits: orNull(() => hits),
}));
`;
const PYTHON_END = `
import json, os
handed = globals()
floats = lambda vector: [float(value) for value in vector]
with open(os.environ["RESULT_FILE"], "w") as file:
    json.dump({
        "vectors": [floats(vector) for vector in handed["vectors"]] if "vectors" in handed else None,
        "query": floats(handed["query"]) if "query" in handed else None,
        "results": handed.get("results"),
        "candidates": None,
        "found": None,
        "hits": None,
    }, file)
`;
/** Stands before the last brace, which is `main`'s. */
const GO_END = `
handed, _ := json.Marshal(map[string]any{
  "vectors": vectors, "query": nil, "results": nil, "candidates": nil, "found": nil, "hits": nil,
})
os.WriteFile(os.Getenv("RESULT_FILE"), handed, 0o600)
}
`;

/** A page's text. */
export function readPage(name: string): string {
  return readFileSync(join(import.meta.dirname, "../../docs", `${name}.md`), "utf8");
}

/** All snippets of the pages of clients. */
export function readSnippets(): readonly Snippet[] {
  return PAGES.flatMap(snippetsOf);
}

/** All snippets of a page. Throws when a code block of a client's language has no mark: it would not be tested. */
export function snippetsOf(name: string): readonly Snippet[] {
  const page = readPage(name);
  const snippets = [...page.matchAll(SNIPPET)].map(([, mark = "", code = ""]) => ({
    ...markSchema.parse(JSON.parse(mark)),
    code,
  }));
  const blocks = page.match(FENCE)?.length ?? 0;
  if (blocks !== snippets.length)
    throw new Error(`${blocks} code blocks in docs/${name}.md, ${snippets.length} marked`);
  return snippets;
}

/** The program of `snippet` against `server` with `model`, with its packages under the names of `as`. */
export function programOf(
  snippet: Snippet,
  as: Readonly<Record<string, string>>,
  server: Server,
  model: string = server.model,
): string {
  let code = snippet.code
    .replaceAll("http://127.0.0.1:8787", server.url)
    .replaceAll("gr-YOUR-KEY", server.apiKey)
    .replaceAll("gigarouter/demo-embedding", model)
    .replaceAll("Qwen/Qwen3-Reranker-0.6B", server.reranker);
  for (const [name, alias] of Object.entries(as)) code = code.replaceAll(`from "${name}"`, `from "${alias}"`);
  if (snippet.fails !== undefined || snippet.asserts) return code;
  return handingOver(code, snippet.runtime);
}

/** `code` with what writes the file that RESULT_FILE names. */
function handingOver(code: string, runtime: Runtime): string {
  switch (runtime) {
    case "node":
      return code + NODE_END;
    case "python":
      return code + PYTHON_END;
    case "go":
      return code.replace("package main\n", '$&\nimport "os"\n').replace(/\}\n$/, GO_END);
    default:
      return unreachable(runtime);
  }
}
