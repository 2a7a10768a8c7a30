// What a model's checkpoint puts before queries, documents and texts of which nothing is said. Its backend announces it;
// until one has, the catalogue's instruction in Qwen's form counts.

import type { CatalogModel } from "../../shared/catalog.ts";
import type { InputType } from "../../shared/schemas/input-type.ts";
import { apiError } from "../../shared/errors.ts";
import { INSTRUCTION_PLACE, instructionPrefix } from "../../shared/token-bound.ts";
import type { BackendReady, Prompts } from "../../shared/wire.ts";

export function promptsOf(model: CatalogModel, announced: BackendReady | undefined): Prompts {
  return announced?.prompts ?? { query: instructionPrefix(model.defaultInstruction), document: "", plain: "" };
}

/**
 * What is put before a text: the caller's own instruction as the model was trained with one, or what the checkpoint has for
 * the kind of text. Throws ApiError for an instruction to a model that takes none.
 */
export function promptFor(inputType: InputType | undefined, instruction: string | undefined, prompts: Prompts): string {
  if (instruction === undefined) return prompts[inputType ?? "plain"];
  const form = instructionForm(prompts);
  if (form !== null) return form.replace(INSTRUCTION_PLACE, () => instruction);
  throw apiError(
    "incompatible_options",
    'This model was not trained to follow instructions: leave `instruction` out; `input_type` "query" or "document" puts the model\'s own prompt before a text.',
    "instruction",
  );
}

/** A prompt with INSTRUCTION_PLACE in it; null: the model takes no instruction. */
export function instructionForm({ instruction }: Prompts): string | null {
  return instruction === undefined ? instructionPrefix(INSTRUCTION_PLACE) : instruction;
}

export function samePrompts(left: Prompts, right: Prompts): boolean {
  return (
    left.query === right.query &&
    left.document === right.document &&
    left.plain === right.plain &&
    instructionForm(left) === instructionForm(right)
  );
}
