// What a model's checkpoint puts before queries, documents and texts of which nothing is said. Its backend announces it;
// until one has, the catalogue's instruction in Qwen's form counts.

import type { CatalogModel } from "../../shared/catalog.ts";
import type { InputType } from "../../shared/schemas/input-type.ts";
import { instructionPrefix } from "../../shared/token-bound.ts";
import type { BackendReady, Prompts } from "../../shared/wire.ts";

export function promptsOf(model: CatalogModel, announced: BackendReady | undefined): Prompts {
  return announced?.prompts ?? { query: instructionPrefix(model.defaultInstruction), document: "", plain: "" };
}

/** What is put before a text: the caller's own instruction, or what the checkpoint has for the kind of text. */
export function promptFor(inputType: InputType | undefined, instruction: string | undefined, prompts: Prompts): string {
  if (instruction !== undefined) return instructionPrefix(instruction);
  return prompts[inputType ?? "plain"];
}

export function samePrompts(left: Prompts, right: Prompts): boolean {
  return left.query === right.query && left.document === right.document && left.plain === right.plain;
}
