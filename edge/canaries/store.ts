// The published canaries in the directory: a chain a model, which only grows. The text of an entry is what is signed and
// hashed, byte for byte, so it is stored and served as text, and nobody needs a canonical JSON.

import type { Directory } from "../directory/directory.ts";
import { withDirectory } from "../directory/directory.ts";
import type { SigningKey } from "../signing/signing-key.ts";
import { hex, sha256 } from "../../shared/hmac.ts";
import type { ModelRevision } from "../../shared/ids.ts";
import type { CanaryVectors } from "./compute.ts";

export interface ChainEntry {
  /** JSON: model, index, previous (SHA-256 of the text before, in hex; null: the first), revision, created, vectors_sha256. */
  readonly entry: string;
  readonly kid: string;
  readonly signature: string;
}

interface Row extends ChainEntry {
  readonly revision: ModelRevision;
}

/** All entries of `model`, oldest first. Throws `directory_unavailable`. */
export async function readChain(directory: Directory, model: string): Promise<readonly Row[]> {
  const { results } = await withDirectory(() =>
    directory
      .prepare("SELECT revision, entry, kid, signature FROM canaries WHERE model = ? ORDER BY position")
      .bind(model)
      .all<Row>(),
  );
  return results;
}

/** The text of CanaryVectors; null: not published. Throws `directory_unavailable`. */
export function readVectors(directory: Directory, model: string, revision: string): Promise<string | null> {
  return withDirectory(() =>
    directory
      .prepare("SELECT vectors FROM canaries WHERE model = ? AND revision = ?")
      .bind(model, revision)
      .first<string>("vectors"),
  );
}

/** Adds an entry behind `chain`. Where another isolate was faster, its entry stays. Throws `directory_unavailable`. */
export async function appendCanaries(
  directory: Directory,
  signingKey: SigningKey,
  chain: readonly Row[],
  { model, revision, vectors, nowMs }: { model: string; revision: string; vectors: CanaryVectors; nowMs: number },
): Promise<void> {
  const text = JSON.stringify(vectors);
  const last = chain.at(-1);
  const entry = JSON.stringify({
    model,
    index: chain.length,
    previous: last === undefined ? null : hex(await sha256(last.entry)),
    revision,
    created: Math.floor(nowMs / 1000),
    vectors_sha256: hex(await sha256(text)),
  });
  const { kid, signature } = await signingKey.sign("gigarouter canaries 1", new TextEncoder().encode(entry));
  await withDirectory(() =>
    directory
      .prepare(
        "INSERT OR IGNORE INTO canaries (model, position, revision, entry, kid, signature, vectors) VALUES (?, ?, ?, ?, ?, ?, ?)",
      )
      .bind(model, chain.length, revision, entry, kid, signature, text)
      .run(),
  );
}
