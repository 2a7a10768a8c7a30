// GET /v1/models/{owner}/{name}/canaries: fixed texts with their vectors under each revision that is served, signed and
// chained, so that anybody can check that a model still means what it meant (docs/signatures.md).

import * as z from "zod";
import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";
import { embedsNothing, kindOf } from "../models/kind.ts";
import { pathId } from "../openapi/parameters.ts";
import { MODEL } from "./answers.ts";
import { modelInPath } from "./models.ts";
import type { Route } from "./route.ts";
import { apiError } from "../../shared/errors.ts";

const GET_CANARIES: Route = {
  method: "get",
  path: "/v1/models/{owner}/{name}/canaries",
  id: "getCanaries",
  tag: "Models",
  summary: "Fixed texts with their vectors under each revision that is served, signed",
  description:
    "`chain` has an entry for each revision that this model ever had here, oldest first, each with the SHA-256 of the text before; `vectors` is a text whose SHA-256 its entry holds. Texts are signed and hashed as they are served. A program of fifty lines that checks all of it, and your own vectors: docs/signatures.md.",
  auth: "optional",
  parameters: [pathId("owner", "The part before the slash."), pathId("name", "The part after it.")],
  answers: {
    200: {
      description: "The chain, and the vectors of the revisions that are served.",
      name: "Canaries",
      schema: z.object({
        object: z.literal("canaries"),
        model: z.string(),
        chain: z.array(
          z.object({
            entry: z
              .string()
              .describe(
                "JSON: `model`, `index`, `previous` (in hex; null: the first), `revision`, `created`, `vectors_sha256` (in hex).",
              ),
            kid: z.string().describe("A key of /.well-known/jwks.json."),
            signature: z.string().describe("Ed25519, in base64url, for the purpose `gigarouter canaries 1`."),
          }),
        ),
        revisions: z.array(
          z.object({
            revision: z.string(),
            vectors: z
              .string()
              .describe(
                'JSON: `version`, `dimensions`, `reproducible`, `distance_max` (1 - cosine between two machines\' vectors, at most; null: not promised), `items` of `input`, `input_type`, `tokens`, `embedding` (as /v1/embeddings answers it in base64 with `truncate: "end"`).',
              ),
          }),
        ),
      }),
      example: { object: "canaries", model: MODEL, chain: [], revisions: [] },
    },
  },
  errors: ["model_not_found", "route_not_found", "incompatible_options", "directory_unavailable"],
  handler: getCanaries,
};

export const CANARIES_ROUTES: readonly Route[] = [
  GET_CANARIES,
  {
    ...GET_CANARIES,
    path: "/v1/models/{name}/canaries",
    id: "getCanariesByName",
    summary: "The same by the bare name, or with an encoded slash",
    parameters: [pathId("name", "The bare name where it is unique, or `owner%2Fname`.")],
  },
];

async function getCanaries(c: Context): Promise<Response> {
  const { pool, canaryBook } = c.get("services");
  const model = modelInPath(c);
  const book = await canaryBook;
  if (book === undefined) throw apiError("route_not_found", "This deployment signs nothing, so it has no canaries.");
  const waitUntil = waitUntilOf(c);
  if (kindOf(model, await pool.announced(model.id, waitUntil)) === "reranker") throw embedsNothing(model.id);
  const published = await book.read(model, waitUntil);
  c.header("cache-control", "public, max-age=60");
  return c.json({ object: "canaries", model: model.id, ...published });
}
