// Fuzzing the adapters of other vendors' bodies: what is read of them is parsed as our own, and keeps the same promises.
import type { OwnCall } from "../../edge/foreign/adapter.ts";
import { inNames } from "../../edge/foreign/adapter.ts";
import { cohereEmbed } from "../../edge/foreign/cohere.ts";
import { geminiBatch, geminiEmbed } from "../../edge/foreign/gemini.ts";
import { ollamaEmbed, ollamaEmbeddings } from "../../edge/foreign/ollama.ts";
import { teiEmbed, teiRerank } from "../../edge/foreign/tei.ts";
import { parseEmbeddingsRequest } from "../../shared/schemas/embeddings.ts";
import { parseRerankRequest } from "../../shared/schemas/rerank.ts";
import { NEEDLE, bodies } from "./bodies.ts";
import type { Parser } from "./bodies.ts";

/** The parser of a vendor's body: read by its adapter, then as our own, with faults in the vendor's names. */
function foreign({ read }: { readonly read: (body: unknown, model: string) => OwnCall }, parse: Parser): Parser {
  return (body) => {
    const { own, names } = read(body, "a/b");
    try {
      return parse(own);
    } catch (error) {
      throw inNames(names, error);
    }
  };
}

export const ollamaBodies = bodies(foreign(ollamaEmbed, parseEmbeddingsRequest), { model: "a/b", input: NEEDLE });
export const ollamaPrompts = bodies(foreign(ollamaEmbeddings, parseEmbeddingsRequest), {
  model: "a/b",
  prompt: NEEDLE,
});
export const teiBodies = bodies(foreign(teiEmbed, parseEmbeddingsRequest), { inputs: [NEEDLE] });
export const teiRerankBodies = bodies(foreign(teiRerank, parseRerankRequest), { query: NEEDLE, texts: [NEEDLE] });
export const cohereBodies = bodies(foreign(cohereEmbed, parseEmbeddingsRequest), {
  model: "a/b",
  texts: [NEEDLE],
  input_type: "search_query",
});
export const geminiBodies = bodies(foreign(geminiEmbed, parseEmbeddingsRequest), {
  content: { parts: [{ text: NEEDLE }] },
});
export const geminiBatches = bodies(foreign(geminiBatch, parseEmbeddingsRequest), {
  requests: [{ content: { parts: [{ text: NEEDLE }] } }],
});
