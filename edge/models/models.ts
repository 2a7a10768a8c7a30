// The model registry of an isolate: the catalogue, the configured models, and what a caller's model name resolves to.

import type { CatalogModel } from "../../shared/catalog.ts";
import { CATALOG, DEFAULT_PRICES } from "../../shared/catalog.ts";
import { apiError } from "../../shared/errors.ts";
import type { ModelRevision } from "../../shared/ids.ts";
import { nearest } from "../../shared/nearest.ts";
import { shown } from "../../shared/schemas/shown.ts";
import { DEFAULT_QUERY_INSTRUCTION } from "../../shared/token-bound.ts";
import type { Pool } from "../backend/pool.ts";

/** What a caller's `model` names: a model, and what its suffix asks for. */
export interface ResolvedModel {
  readonly model: CatalogModel;
  readonly dimensions: number | undefined;
  readonly inputType: "query" | "document" | undefined;
}

/** In characters. A longer text is no model's name, and may be megabytes of anything: it is not searched. */
const NAME_LENGTH_MAX = 256;
const DIMENSIONS_SUFFIX = /^(.+)@(\d{1,6})$/;
const TYPE_SUFFIX = /^(.+):(query|document)$/;
/** What it means for a call is read with its body (shared/schemas/items.ts). */
const PER_ITEM_SUFFIX = /^(.+):per_item$/;

/** All models in the order shown: the catalogue, then models that only the configuration names. */
export function listedModels(configured: readonly string[]): readonly CatalogModel[] {
  const extra = [...new Set(configured)].filter((id) => !CATALOG.some((model) => model.id === id));
  return [...CATALOG, ...extra.map(unlistedModel)];
}

/** A checkpoint that the operator serves and the catalogue does not list: its sizes come from its backend. */
function unlistedModel(id: string): CatalogModel {
  return {
    id,
    kind: undefined,
    name: id.slice(id.indexOf("/") + 1),
    description: "A checkpoint that this deployment serves.",
    license: "unknown",
    created: 0,
    contextTokens: 32_768,
    nativeDimensions: 0,
    defaultInstruction: DEFAULT_QUERY_INSTRUCTION,
    operatorStatus: "live",
    prices: DEFAULT_PRICES,
  };
}

/** Resolves `name`: the full id or a unique bare name, with suffixes. Throws `model_not_found` with the nearest id. */
export function resolveModel(name: string, models: readonly CatalogModel[]): ResolvedModel {
  const resolved = lookUp(name.slice(0, NAME_LENGTH_MAX + 1), models);
  if ("model" in resolved) return resolved;
  throw modelNotFound(name.slice(0, NAME_LENGTH_MAX + 1), resolved.rest, models);
}

/** `rest`: the name without its suffixes, which no model has. */
function lookUp(name: string, models: readonly CatalogModel[]): ResolvedModel | { readonly rest: string } {
  let rest = name;
  let dimensions: number | undefined;
  let inputType: "query" | "document" | undefined;
  let perItem = false;
  for (;;) {
    const exact = findModel(rest, models);
    if (exact !== undefined) return { model: exact, dimensions, inputType };
    const byType = TYPE_SUFFIX.exec(rest);
    const byDimensions = DIMENSIONS_SUFFIX.exec(rest);
    const byPerItem = PER_ITEM_SUFFIX.exec(rest);
    if (byType?.[1] !== undefined && inputType === undefined) {
      inputType = byType[2] === "query" ? "query" : "document";
      rest = byType[1];
    } else if (byDimensions?.[1] !== undefined && dimensions === undefined) {
      dimensions = Number(byDimensions[2]);
      rest = byDimensions[1];
    } else if (byPerItem?.[1] !== undefined && !perItem) {
      perItem = true;
      rest = byPerItem[1];
    } else return { rest };
  }
}

/** The model of that id, or of that bare name if it is unique. */
export function findModel<Model extends { readonly id: string }>(
  name: string,
  models: readonly Model[],
): Model | undefined {
  const exact = models.find((model) => model.id === name);
  if (exact !== undefined) return exact;
  const byBareName = models.filter((model) => model.id.slice(model.id.indexOf("/") + 1) === name);
  return byBareName.length === 1 ? byBareName[0] : undefined;
}

/** The id that `name` was probably meant to be. */
export function nearestModel(name: string, models: readonly CatalogModel[]): string | undefined {
  const ids = models.map((model) => model.id);
  const bareNames = ids.map((id) => id.slice(id.indexOf("/") + 1));
  return nearest(name, ids) ?? ids[bareNames.indexOf(nearest(name, bareNames) ?? "")];
}

function modelNotFound(written: string, name: string, models: readonly CatalogModel[]) {
  const seen = written.normalize("NFKC").replaceAll(/[\p{C}\p{Z}]/gu, "");
  if (seen !== written && "model" in lookUp(seen, models)) {
    const message = `No such model ${shown(written)}: a space, or a character that cannot be seen or looks like another, is in it. Send \`${seen}\`.`;
    return apiError("model_not_found", message, "model");
  }
  const close = nearestModel(name, models);
  const hint = close === undefined ? "GET /v1/models lists them." : `Did you mean \`${close}\`?`;
  return apiError("model_not_found", `No such model ${shown(written)}. ${hint}`, "model");
}

export type PublicStatus = "live" | "warming" | "coming_soon";

/** `live`: the operator says so and a backend is ready; `warming`: a backend is configured but not ready. */
export function publicStatus(model: CatalogModel, readiness: ReturnType<Pool["readiness"]>): PublicStatus {
  if (model.operatorStatus === "coming_soon" || readiness === undefined) return "coming_soon";
  return readiness === "ready" ? "live" : "warming";
}

/** Revisions of the model `id` in whose place the operator put another one. */
export function supersededRevisions(id: string, models: readonly CatalogModel[]): ReadonlySet<ModelRevision> {
  const terms = models.find((model) => model.id === id)?.revisions ?? [];
  return new Set(terms.flatMap(({ revision, supersededBy }) => (supersededBy === null ? [] : [revision])));
}
