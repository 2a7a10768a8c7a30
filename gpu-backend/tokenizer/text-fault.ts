// What a caller is told about a text that cannot be tokenised: one fault of the wire (shared/wire.ts) per problem, the
// text named by its index, no part of it quoted.

import type { BackendFault, ItemFault } from "../../shared/wire.ts";
import { unreachable } from "../../shared/assert.ts";
import type { TextProblem } from "./messages.ts";

/** A fault of one text in flight. */
export class TextFault extends Error {
  override name = "TextFault";
  readonly fault: BackendFault;
  constructor(fault: BackendFault) {
    super(fault.message);
    this.fault = fault;
  }
}

const FOREIGN_IDS_CURE =
  "Token ids must come from this model's own tokenizer; ids of another one (cl100k_base, say) look valid and mean nothing. " +
  "With LangChain's OpenAIEmbeddings set check_embedding_ctx_length=False, so that it sends text.";

/** `first`: index in the call of the slice's first text. */
export function problemFault(
  problem: TextProblem,
  first: number,
  limits: { readonly maxTokens: number; readonly vocabSize: number },
): ItemFault {
  const index = first + problem.at;
  switch (problem.kind) {
    case "too_long": {
      const { tokens } = problem;
      const { maxTokens } = limits;
      const counted = problem.counted ? `${tokens}` : `at least ${tokens}`;
      return {
        code: "context_length_exceeded",
        message: `The text has ${counted} tokens; the model reads at most ${maxTokens}, ending token included. Shorten it, or send truncate: "end" or "start".`,
        index,
        facts: { tokens, maxTokens, counted: problem.counted ? 1 : 0 },
        retryAfterS: null,
      };
    }
    case "too_complex":
      return {
        code: "text_too_complex",
        message: `The text cannot be tokenised in reasonable time: ${problem.reason}.`,
        index,
        facts: {},
        retryAfterS: null,
      };
    case "beyond_vocabulary":
      return {
        code: "invalid_token_id",
        message: `Token id ${problem.id} is not below the vocabulary size ${limits.vocabSize}. ${FOREIGN_IDS_CURE}`,
        index,
        facts: { id: problem.id, vocabularySize: limits.vocabSize },
        retryAfterS: null,
      };
    case "beyond_table":
      return {
        code: "invalid_token_id",
        message: `The text has a special token (id ${problem.id}) that this model's tokenizer knows and its table of ${limits.vocabSize} tokens does not. Take it out of the text.`,
        index,
        facts: { id: problem.id, vocabularySize: limits.vocabSize },
        retryAfterS: null,
      };
    case "failed":
      return {
        code: "internal_error",
        message: "The tokenizer failed on this text.",
        index,
        facts: {},
        retryAfterS: null,
      };
    case "not_in_encoding":
      return {
        code: "invalid_token_id",
        message: `Token id ${problem.id} is not one of ${problem.encoding}.`,
        index,
        facts: { id: problem.id },
        retryAfterS: null,
      };
    default:
      return unreachable(problem);
  }
}

/** The same of a pair's query, which has no index. `limits.maxTokens`: of instruction and query together. */
export function queryFault(problem: TextProblem, limits: Parameters<typeof problemFault>[2]): BackendFault {
  const fault = problemFault(problem, 0, limits);
  const { tokens, maxTokens } = fault.facts;
  const message =
    problem.kind === "too_long"
      ? `The query has ${problem.counted ? "" : "at least "}${tokens} tokens with its instruction; at most ${maxTokens} are read.`
      : fault.message.replace("The text", "The query");
  return { ...fault, message, index: null, facts: { ...fault.facts, query: 1 } };
}

/** Now and then a single chunk that was cut within a character fails; a call of foreign ids fails in most arrays. */
export function foreignIdsFault(foreign: number, arrays: number): BackendFault | undefined {
  const refused = arrays < 4 ? foreign === arrays : foreign * 2 >= arrays;
  if (foreign === 0 || !refused) return undefined;
  return {
    code: "invalid_token_id",
    message: `${foreign} of ${arrays} token arrays do not survive decoding and encoding again. ${FOREIGN_IDS_CURE}`,
    index: null,
    facts: { foreign, arrays },
    retryAfterS: null,
  };
}
