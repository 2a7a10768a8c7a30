// Encoders' checkpoints as exports leave them: what means the same, and what is refused by name.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

import { copyCheckpoint } from "../copy-checkpoint.ts";
import { worstDistance } from "../cosine.ts";
import { editTensors } from "../edit-checkpoint.ts";
import { embedCheckpoint } from "../embed-checkpoint.ts";
import { added, both, config, type Edit, refusal, renamed, tensors, zeros } from "./edits.ts";

const CHECKPOINTS = fileURLToPath(new URL("../../vectors/architectures", import.meta.url));
const ENCODER = join(CHECKPOINTS, "bert");
const scratch = mkdtempSync(join(tmpdir(), "encoders-"));
afterAll(() => rmSync(scratch, { recursive: true }));

describe("an encoder's checkpoint that means the same", () => {
  it.each<[string, Edit]>([
    [
      "a pooler, and positions that older exports stored",
      both(added("pooler.dense.bias", zeros(32)), added("embeddings.position_ids", zeros(80))),
    ],
    ["a masked language model's head", added("cls.predictions.bias", zeros(128))],
    ["the prefix bert.", renamed((name) => `bert.${name}`)],
  ])("gives the reference's vectors with %s", async (_, edit) => {
    const dir = copyCheckpoint(ENCODER, scratch);
    edit(dir);
    const { embeddings, together } = await embedCheckpoint(dir, scratch);
    expect(worstDistance(together, embeddings)).toBeLessThanOrEqual(1e-6);
  });
});

describe("an encoder's checkpoint that means another model", () => {
  it.each<[string, Edit, RegExp]>([
    [
      "another head",
      config((content) => ({ ...content, architectures: ["BertForMaskedLM"] })),
      /config.json: BertForMaskedLM .* is not supported; BertModel or BertForSequenceClassification is/u,
    ],
    [
      "relative positions",
      config((content) => ({ ...content, position_embedding_type: "relative_key" })),
      /position_embedding_type "relative_key" is not supported; absolute is/u,
    ],
    [
      "distances that no field speaks of",
      added("encoder.layer.0.attention.self.distance_embedding.weight", zeros(4)),
      /distance_embedding.weight is no part of the model/u,
    ],
    ["a lost bias", tensors((all) => all.delete("encoder.layer.1.output.dense.bias")), /output.dense.bias is missing/u],
    [
      "a table of fewer positions",
      config((content) => ({ ...content, max_position_embeddings: 81 })),
      /position_embeddings.weight has shape \[80, 32\] where \[81, 32\]/u,
    ],
    [
      "code of its own",
      config((content) => ({ ...content, auto_map: { AutoModel: "m.Model" } })),
      /auto_map .* is not/u,
    ],
    [
      "an activation that is not built",
      config((content) => ({ ...content, hidden_act: "relu" })),
      /hidden_act "relu" is not supported; gelu or/u,
    ],
  ])("is refused by name: %s", async (_, edit, sentence) => {
    expect(await refusal(copyCheckpoint(ENCODER, scratch), edit)).toMatch(sentence);
  });

  it("is refused when a Dense module's weights are missing, or of another size", async () => {
    const dense = join(CHECKPOINTS, "bert-cls");
    const lost = (dir: string): void => rmSync(join(dir, "2_Dense/model.safetensors"));
    expect(await refusal(copyCheckpoint(dense, scratch), lost)).toMatch(/2_Dense: has neither model.safetensors nor/u);
    const other = (dir: string): void => editTensors(join(dir, "3_Dense"), (all) => all.set("linear.bias", zeros(3)));
    expect(await refusal(copyCheckpoint(dense, scratch), other)).toMatch(/linear.bias has shape \[3\] where \[64\]/u);
  });
});
