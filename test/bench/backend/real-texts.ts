// The texts on which forms and peers are compared on a real checkpoint: of many kinds, not those that a form is probed with.

import { readConfig } from "../../../gpu-backend/checkpoint/read-config.ts";
import { loadTokenizer } from "../../../gpu-backend/tokenizer/library.ts";
import { tokenizeText } from "../../../gpu-backend/tokenizer/text-tokenizer.ts";
import { readDemoReference } from "../../gpu-backend/engine/demo-reference.ts";

/** Longer ones would be nearly all of the work. */
const TOKENS_MAX = 300;

/** As the checkpoint's tokenizer reads them. */
export async function realTexts(checkpointDir: string): Promise<readonly Int32Array[]> {
  const { endTokenId, vocabSize, maxTokens } = readConfig(checkpointDir);
  const library = await loadTokenizer(checkpointDir, endTokenId, vocabSize);
  const texts: Int32Array[] = [];
  for (const text of readDemoReference().texts) {
    const result = await tokenizeText(library, { maxTokens, vocabSize }, "", text, "none");
    if (result.kind === "ids" && result.ids.length <= TOKENS_MAX) texts.push(result.ids);
  }
  return texts;
}
