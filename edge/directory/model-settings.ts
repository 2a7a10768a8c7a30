// Prices, status and revisions' terms of models as set by the operator: rows of the directory, with a copy in KV for isolates that start
// while the directory is down. A model without a row has the catalogue's.

import type { CatalogModel, OperatorStatus, Prices, RevisionTerms } from "../../shared/catalog.ts";
import type { Directory } from "./directory.ts";
import { withDirectory } from "./directory.ts";

export interface ModelSettings {
  /** `owner/name`. */
  readonly id: string;
  readonly prices: Prices;
  readonly operatorStatus: OperatorStatus;
  /** Absent: nothing is said of any. */
  readonly revisions?: readonly RevisionTerms[];
}

export interface ModelStores {
  readonly directory: Directory;
  readonly kv: Pick<KVNamespace, "get" | "put">;
}

/** Cannot collide with the embedding cache's entries, whose names are hex digests. */
const KV_COPY = "directory:models";

/** The settings of every model that has a row. Throws if neither the directory nor the copy answers. */
export async function loadModelSettings({ directory, kv }: ModelStores): Promise<readonly ModelSettings[]> {
  try {
    return await readRows(directory);
  } catch (error) {
    const copy = await kv.get(KV_COPY);
    if (copy === null) throw error;
    const settings: readonly ModelSettings[] = JSON.parse(copy);
    return settings;
  }
}

/** Writes the settings of one model, then the copy. Throws `directory_unavailable` when nothing was written. */
export async function saveModelSettings(
  { directory, kv }: ModelStores,
  settings: ModelSettings,
  nowMs: number,
): Promise<void> {
  await withDirectory(() =>
    directory
      .prepare(
        "INSERT INTO models (id, body, updated_at_ms) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body, updated_at_ms = excluded.updated_at_ms",
      )
      .bind(settings.id, JSON.stringify(settings), nowMs)
      .run(),
  );
  const rows = await withDirectory(() => readRows(directory));
  await kv.put(KV_COPY, JSON.stringify(rows));
}

/** `models` with what the operator set. */
export function withSettings(
  models: readonly CatalogModel[],
  settings: readonly ModelSettings[],
): readonly CatalogModel[] {
  const byId = new Map(settings.map((one) => [one.id, one]));
  return models.map((model) => {
    const set = byId.get(model.id);
    if (set === undefined) return model;
    const { prices, operatorStatus, revisions = [] } = set;
    return { ...model, prices, operatorStatus, revisions };
  });
}

async function readRows(directory: Directory): Promise<readonly ModelSettings[]> {
  const { results } = await directory.prepare("SELECT body FROM models ORDER BY id").all<{ body: string }>();
  return results.map(({ body }) => {
    const settings: ModelSettings = JSON.parse(body);
    return settings;
  });
}
