// The prompts that a model's checkpoint puts before queries, documents, and texts of unknown kind. Its backend
// announces them; until one has, the catalogue's instruction in Qwen's form is used.

import type { CatalogModel } from "../../shared/catalog.ts";
import type { InputType } from "../../shared/schemas/input-type.ts";
import { apiError } from "../../shared/errors.ts";
import { INSTRUCTION_PLACE, instructionPrefix } from "../../shared/token-bound.ts";
import type { BackendReady, Prompts } from "../../shared/wire.ts";

export function promptsOf(model: CatalogModel, announced: BackendReady | undefined): Prompts {
  return announced?.prompts ?? { query: instructionPrefix(model.defaultInstruction), document: "", plain: "" };
}

/**
 * The prompt before a text: the caller's own instruction in the form that the model was trained with, or the
 * checkpoint's prompt for this kind of text. Throws ApiError for an instruction to a model that takes none.
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

/** A prompt with INSTRUCTION_PLACE where the instruction goes; null: the model takes none. */
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
