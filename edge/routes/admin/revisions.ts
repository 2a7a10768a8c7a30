// PUT /admin/models/{owner}/{name}/revisions/{revision}: how long a revision will be served, and which one takes its
// place. In force everywhere within 60 s, like prices (models.ts).

import * as z from "zod";
import type { Context } from "../../context.ts";
import { waitUntilOf } from "../../context.ts";
import { readJson } from "../../middleware/body.ts";
import { pathId } from "../../openapi/parameters.ts";
import type { Route } from "../route.ts";
import { ADMIN_MODEL, changeModel } from "./models.ts";
import { modelNameInPath } from "../models.ts";
import type { RevisionTerms } from "../../../shared/catalog.ts";
import { apiError } from "../../../shared/errors.ts";
import type { ModelRevision } from "../../../shared/ids.ts";
import { REVISION_RULE, parseRevision } from "../../../shared/ids.ts";
import { integer, parsePatch, wrongValue } from "../../../shared/schemas/fields.ts";
import { revisionSchema } from "../../../shared/wire.ts";

const BODY_BYTES_MAX = 4096;
/** The year 2100: a later time is one in milliseconds. */
const UNTIL_MAX = 4_102_444_800;
/** Of one model: the settings of all are read together. */
const REVISIONS_MAX = 100;

const putRevisionSchema = z.strictObject({
  supported_until: z.nullable(integer(0, UNTIL_MAX)).optional(),
  superseded_by: z.nullable(revisionSchema).meta({ pattern: "^[0-9a-f]{16,64}$" }).optional(),
});

const REVISION_IN_PATH = pathId("revision", "As `x-model-revision` shows it.");

const PUT_REVISION: Route = {
  method: "put",
  path: "/admin/models/{owner}/{name}/revisions/{revision}",
  id: "adminPutRevision",
  tag: "Operator",
  summary: "Set how long a revision will be served, and which one takes its place",
  description:
    "Shown in /v1/models, in force everywhere within 60 seconds. Calls that require no revision get one that is not superseded, where such a one is served. Fields that are left out keep their value; null takes it away.",
  auth: "operator",
  parameters: [pathId("owner", "The part before the slash."), pathId("name", "The part after it."), REVISION_IN_PATH],
  body: {
    name: "PutRevisionRequest",
    schema: putRevisionSchema,
    example: { supported_until: 1_800_000_000, superseded_by: "fedcba9876543210" },
  },
  answers: { 200: ADMIN_MODEL },
  errors: ["model_not_found"],
  handler: putRevision,
};

export const ADMIN_REVISIONS: readonly Route[] = [
  PUT_REVISION,
  {
    ...PUT_REVISION,
    path: "/admin/models/{name}/revisions/{revision}",
    id: "adminPutRevisionByName",
    summary: "The same, with an encoded slash",
    parameters: [pathId("name", "`owner%2Fname`."), REVISION_IN_PATH],
  },
];

async function putRevision(c: Context): Promise<Response> {
  const text = c.req.param("revision") ?? "";
  const revision = parseRevision(text);
  if (revision === undefined) throw wrongValue("revision", REVISION_RULE, text);
  const body = parsePatch(putRevisionSchema, await readJson(c, BODY_BYTES_MAX));
  const served = await servedRevisions(c);
  return changeModel(c, "model.revision.put", { revision, ...body }, (known) => {
    const { revisions = [] } = known;
    const before = revisions.find((one) => one.revision === revision);
    const terms: RevisionTerms = {
      revision,
      supportedUntil: body.supported_until === undefined ? (before?.supportedUntil ?? null) : body.supported_until,
      supersededBy: body.superseded_by === undefined ? (before?.supersededBy ?? null) : body.superseded_by,
    };
    const others = revisions.filter((one) => one !== before);
    if (terms.supportedUntil === null && terms.supersededBy === null) return { ...known, revisions: others };
    checkKnown(terms, new Set([...served, ...revisions.map((one) => one.revision)]));
    checkOrder(terms, others);
    return { ...known, revisions: [...others, terms] };
  });
}

async function servedRevisions(c: Context): Promise<readonly ModelRevision[]> {
  const { pool } = c.get("services");
  const id = modelNameInPath(c);
  await pool.announced(id, waitUntilOf(c));
  return pool.served(id).map(({ revision }) => revision);
}

/** Throws `invalid_value` for a revision that nobody has seen. */
function checkKnown({ revision, supersededBy }: RevisionTerms, known: ReadonlySet<ModelRevision>): void {
  const rule = known.size === 0 ? "a revision that is served (none is now)" : `one of ${[...known].join(", ")}`;
  if (!known.has(revision)) throw wrongValue("revision", rule, revision);
  if (supersededBy !== null && !known.has(supersededBy)) throw wrongValue("superseded_by", rule, supersededBy);
}

/** Throws `invalid_value` for a revision that would come after itself, and for more of them than are kept. */
function checkOrder({ revision, supersededBy }: RevisionTerms, others: readonly RevisionTerms[]): void {
  if (others.length >= REVISIONS_MAX) {
    const message = `Of ${others.length} revisions of this model something is said already: take it away from old ones (both fields null).`;
    throw apiError("invalid_value", message, "revision");
  }
  const nextOf = new Map(others.map((one) => [one.revision, one.supersededBy]));
  let next = supersededBy;
  for (let steps = 0; next !== null && steps <= others.length; steps += 1) {
    if (next === revision)
      throw wrongValue("superseded_by", "a revision that does not lead back to this one", supersededBy);
    next = nextOf.get(next) ?? null;
  }
}
