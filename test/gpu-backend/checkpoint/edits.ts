// What others do to a checkpoint's folder, and how it is refused then.

import { expect } from "vitest";

import { CheckpointError } from "../../../gpu-backend/checkpoint/checkpoint-error.ts";
import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { editJson, editTensors, floats, type Json, type StoredTensor } from "../edit-checkpoint.ts";

export const TARGET = { target: "cpu", precision: "exact" } as const;
export type Edit = (dir: string) => void;

export const config =
  (edit: (config: Json, quantization: Json) => Json): Edit =>
  (dir) =>
    editJson(dir, "config.json", (content) => edit(content, Object(content["quantization_config"])));
export const quantization = (change: Json): Edit =>
  config((content, settings) => ({ ...content, quantization_config: { ...settings, ...change } }));
export const tensors =
  (edit: (tensors: Map<string, StoredTensor>) => void): Edit =>
  (dir) =>
    editTensors(dir, edit);
export const added = (name: string, tensor: StoredTensor): Edit => tensors((all) => all.set(name, tensor));
export const renamed = (rename: (name: string) => string): Edit =>
  tensors((all) => {
    const entries = [...all];
    all.clear();
    for (const [name, tensor] of entries) all.set(rename(name), tensor);
  });
export const both =
  (...edits: readonly Edit[]): Edit =>
  (dir) => {
    for (const edit of edits) edit(dir);
  };
export const zeros = (count: number): StoredTensor => floats(Array.from({ length: count }, () => 0));

/** The one sentence with which the folder is refused once `edit` has been at it. */
export async function refusal(dir: string, edit: Edit): Promise<string> {
  edit(dir);
  const error: unknown = await compileCheckpoint(dir, TARGET).then(
    () => expect.unreachable("the checkpoint was accepted"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof CheckpointError)) throw error;
  expect(error.message).toContain(dir);
  expect(error.message).not.toContain("\n");
  return error.message;
}
