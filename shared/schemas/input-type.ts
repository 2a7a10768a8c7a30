// `input_type`: whether texts are queries or documents. One table of the words that other providers' clients send; the
// schema, the message and the test of docs/clients.md read it. Sources: the API references of Cohere (embed), Voyage
// (embeddings), Jina (`task`) and Gemini (`task_type`).

import * as z from "zod";

export type InputType = "query" | "document";

/** In lower case; callers may use any case. */
export const INPUT_TYPE_WORDS: Readonly<Record<InputType, readonly string[]>> = {
  query: ["query", "search_query", "retrieval.query", "retrieval_query", "question_answering"],
  document: ["document", "search_document", "passage", "retrieval.passage", "retrieval_document"],
};

const BY_WORD: ReadonlyMap<string, InputType> = new Map([
  ...INPUT_TYPE_WORDS.query.map((word) => [word, "query"] as const),
  ...INPUT_TYPE_WORDS.document.map((word) => [word, "document"] as const),
]);

const WORDS = [...BY_WORD.keys()].map((word) => `"${word}"`).join(", ");
const RULE = `one of ${WORDS} (for any other task leave it out and say the task in words as \`instruction\`)`;
const PATTERN = `^(${[...BY_WORD.keys()].map(eitherCase).join("|")})$`;

export const inputTypeField = z
  .string({ error: () => RULE })
  .meta({
    description:
      "A query carries an instruction, a document none. The words of Cohere, Voyage, Jina and Gemini, in any letter case.",
    pattern: PATTERN,
  })
  .transform((word, context): InputType => {
    const type = BY_WORD.get(word.toLowerCase());
    if (type !== undefined) return type;
    context.addIssue({ code: "custom", message: RULE });
    return z.NEVER;
  });

function eitherCase(word: string): string {
  return word.replaceAll(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`).replaceAll(".", String.raw`\.`);
}
