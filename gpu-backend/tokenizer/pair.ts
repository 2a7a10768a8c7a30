// A query and a document → the ids that a reranker reads. What stands before the document is the same for all documents of a
// call: it is tokenised once, and each document behind it as any text is, so that truncation takes of the document alone.
// A pair is put into the architecture's prompt, or put together as the tokenizer's own template does it, with token types.

import type { PairPrompt } from "../compiler/architectures/architecture.ts";
import { CheckpointError } from "../checkpoint/checkpoint-error.ts";
import { utf8Length } from "../../shared/token-bound.ts";
import { ofSecondType } from "../token-type.ts";
import type { PairTemplate, TokenizerLibrary } from "./library.ts";
import { type TextLimits, type TokenizedText, tokenizeText } from "./text-tokenizer.ts";

export interface PairQuery {
  /** null: the model's own, or none. */
  readonly instruction: string | null;
  readonly query: string;
}

export interface PairFacts {
  /** Ids of a pair beside those of instruction, query and document, at most. */
  readonly templateTokens: number;
  /** Of instruction and query together. */
  readonly queryTokensMax: number;
}

export type QueryProblem = Exclude<TokenizedText, { kind: "ids" }>;

/** Tokenises the documents of one call. */
type Documents = (document: string, truncate: "none" | "end") => Promise<TokenizedText>;

/** How pairs of one model are tokenised. */
export interface PairTokenizer {
  readonly facts: PairFacts;
  /** What is wrong with the query, or what its documents are tokenised with. */
  readonly of: (
    query: PairQuery,
  ) => Promise<QueryProblem | { readonly kind: "documents"; readonly tokenize: Documents }>;
}

/** `prompt`: the architecture's; absent: the tokenizer's template. `types`: how many the model tells apart. Rejects with CheckpointError. */
export async function pairTokenizer(
  dir: string,
  library: TokenizerLibrary,
  limits: TextLimits,
  { prompt, types }: { readonly prompt?: PairPrompt; readonly types: number },
): Promise<PairTokenizer> {
  const pairs =
    prompt === undefined
      ? inTemplate(dir, library, limits, await library.pairTemplate(), types)
      : await inPrompt(library, limits, prompt);
  if (pairs.facts.queryTokensMax > 0) return pairs;
  throw new CheckpointError(
    `${dir}: a context of ${limits.maxTokens} tokens has no room for a query beside the template of pairs`,
  );
}

async function inPrompt(library: TokenizerLibrary, limits: TextLimits, prompt: PairPrompt): Promise<PairTokenizer> {
  const framed = {
    ...library,
    leading: await library.encode(prompt.start),
    trailing: await library.encode(prompt.end),
  };
  const before = (instruction: string, query: string): string =>
    prompt.instruct + instruction + prompt.query + query + prompt.document;
  const around = framed.leading.length + framed.trailing.length;
  const empty = before("", "");
  const emptyTokens = (await library.encode(empty)).length;
  const queryTokensMax = Math.floor((limits.maxTokens - around) / 2) - emptyTokens;
  return {
    // A byte of what stands between the texts may become a token, where its neighbours part what would be one.
    facts: { templateTokens: around + utf8Length(empty), queryTokensMax },
    of: async ({ instruction, query }) => {
      const prefix = before(instruction ?? prompt.instruction, query);
      const problem = await problemOf(library, limits, prefix, queryTokensMax, emptyTokens);
      return (
        problem ?? {
          kind: "documents",
          tokenize: (document, truncate) => tokenizeText(framed, limits, prefix, document, truncate),
        }
      );
    },
  };
}

function inTemplate(
  dir: string,
  library: TokenizerLibrary,
  limits: TextLimits,
  template: PairTemplate,
  types: number,
): PairTokenizer {
  const { leading, between, trailing, queryType, documentType } = template;
  const special = [...leading, ...between, ...trailing];
  if (Math.max(queryType, documentType, ...special.map(({ type }) => type)) >= types)
    throw new CheckpointError(
      `${dir}/tokenizer.json: its template gives a pair more token types than the ${types} of config.json's type_vocab_size`,
    );
  const templateTokens = special.length;
  const queryTokensMax = Math.floor((limits.maxTokens - templateTokens) / 2);
  const typed = (ids: readonly number[], type: number): number[] =>
    ids.map((id) => (type === 1 ? ofSecondType(id) : id));
  const marked = (tokens: PairTemplate["leading"]): number[] => tokens.flatMap(({ id, type }) => typed([id], type));
  return {
    facts: { templateTokens, queryTokensMax },
    of: async ({ query }) => {
      const result = await tokenizeText(bare(library), { ...limits, maxTokens: queryTokensMax }, "", query, "none");
      if (result.kind !== "ids") return result;
      const before = [...marked(leading), ...typed([...result.ids], queryType), ...marked(between)];
      const framed = { ...library, leading: before, trailing: marked(trailing) };
      return {
        kind: "documents",
        tokenize: async (document, truncate) => {
          const text = await tokenizeText(framed, limits, "", document, truncate);
          if (text.kind !== "ids") return text;
          const { ids, truncated } = text;
          const own = ids.subarray(before.length, ids.length - trailing.length);
          own.set(typed([...own], documentType));
          return { kind: "ids", ids, truncated };
        },
      };
    },
  };
}

/** Why a query cannot be read. `beside`: tokens of `text` that are not the query's or the instruction's. */
async function problemOf(
  library: TokenizerLibrary,
  limits: TextLimits,
  text: string,
  tokensMax: number,
  beside: number,
): Promise<QueryProblem | undefined> {
  const result = await tokenizeText(bare(library), { ...limits, maxTokens: tokensMax + beside }, "", text, "none");
  if (result.kind === "ids") return undefined;
  return result.kind === "too_long" ? { ...result, tokens: result.tokens - beside } : result;
}

function bare(library: TokenizerLibrary): TokenizerLibrary {
  return { ...library, leading: [], trailing: [] };
}
