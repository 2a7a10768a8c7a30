// Which ways to spend a service and a key have: the others are left out by name.

import * as z from "zod";
import { parsed } from "./forms.ts";
import type { Supplies } from "./supplies.ts";
import { MCP_HEADERS } from "./surfaces.ts";
import type { Surface } from "./surfaces.ts";
import type { Wire } from "./wire.ts";
import type { Api } from "../embed/api.ts";
import { checked } from "../embed/service.ts";

const LINES = "application/x-ndjson";
/** Tools that spend. */
const TOOLS = ["embed", "similarity", "rerank"];
const PATHS: Readonly<Record<Exclude<Surface, "mcp">, string>> = {
  embeddings: "/v1/embeddings",
  similarity: "/v1/similarity",
  rerank: "/v1/rerank",
  streams: "/v1/embeddings",
  batches: "/v1/batches",
  ollama: "/api/embed",
  tei: "/v1/models/{owner}/{name}/embed",
  cohere: "/v2/embed",
  gemini: "/v1beta/models/{owner}/{name}:embedContent",
  migrate: "/v1/migrate/report",
};

const keySchema = z.object({ scopes: z.array(z.string()) });
const documentSchema = z.object({
  paths: z.record(
    z.string(),
    z.object({
      post: z.object({ requestBody: z.object({ content: z.record(z.string(), z.unknown()) }).optional() }).optional(),
    }),
  ),
});
const toolsSchema = z.object({ result: z.object({ tools: z.array(z.object({ name: z.string() })) }) });

export interface Driven {
  readonly surfaces: readonly Surface[];
  /** A sentence for each that is left out. */
  readonly left: readonly string[];
}

/** Of `wanted`. Throws Stop or Refusal. */
export async function readSurfaces(
  api: Api,
  wire: Wire,
  wanted: readonly Surface[],
  supplies: Supplies,
): Promise<Driven> {
  const { scopes } = checked(api, keySchema, (await api.call({ path: "/v1/key" })).json);
  const { paths } = checked(api, documentSchema, (await api.call({ path: "/v1/openapi.json" })).json);
  const surfaces: Surface[] = [];
  const left: string[] = [];
  for (const surface of wanted) {
    const why =
      (surface === "mcp" ? await whyNoTools(wire) : whyNoPath(paths, surface)) ??
      whyNoRight(scopes, surface) ??
      whyNoSupplies(surface, supplies);
    if (why === undefined) surfaces.push(surface);
    else left.push(`${surface} is left out: ${why}.`);
  }
  return { surfaces, left };
}

function whyNoPath(
  paths: z.output<typeof documentSchema>["paths"],
  surface: Exclude<Surface, "mcp">,
): string | undefined {
  const post = paths[PATHS[surface]]?.post;
  if (post === undefined) return `this service has no ${PATHS[surface]}`;
  const takesLines = post.requestBody?.content[LINES] !== undefined;
  return surface === "streams" && !takesLines ? `${PATHS[surface]} takes no ${LINES}` : undefined;
}

function whyNoRight(scopes: readonly string[], surface: Surface): string | undefined {
  const scope = surface === "batches" || surface === "rerank" ? surface : "embeddings";
  return scopes.includes(scope) ? undefined : `the key lacks the scope \`${scope}\``;
}

function whyNoSupplies(surface: Surface, { reranks, migration, model }: Supplies): string | undefined {
  if (surface === "rerank" && reranks.length === 0) return "nothing can be reranked";
  if (surface === "migrate" && migration === undefined) return `${model} is served in one revision`;
  const needsPath = surface === "tei" || surface === "gemini";
  return needsPath && !model.includes("/") ? `${model} has no place in its paths` : undefined;
}

async function whyNoTools(wire: Wire): Promise<string | undefined> {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" });
  const answer = await wire.ask("POST", "/mcp", body, MCP_HEADERS);
  const { data } = toolsSchema.safeParse(parsed(answer?.text ?? ""));
  if (data === undefined) return "this service has no /mcp";
  const missing = TOOLS.filter((name) => !data.result.tools.some((tool) => tool.name === name));
  return missing.length === 0 ? undefined : `its /mcp lacks ${missing.join(", ")}`;
}
