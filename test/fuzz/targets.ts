// Everything that is fuzzed, by name: npm test runs each a little, `npm run fuzz -- --minutes N` as long as one likes.
import type { IRawProperty } from "fast-check";
import { anyBodies, embeddingsBodies, rerankBodies, similarityBodies, tokenizeBodies } from "./bodies.ts";
import {
  cohereBodies,
  geminiBatches,
  geminiBodies,
  ollamaBodies,
  ollamaPrompts,
  teiBodies,
  teiRerankBodies,
} from "./foreign.ts";
import { frames, noFrames } from "./frames.ts";
import { damagedRequests, goodRequests } from "./framing.ts";
import { keys, noKeys } from "./keys.ts";

export const TARGETS: Readonly<Record<string, IRawProperty<unknown>>> = {
  "damaged frames": frames,
  "bytes that are no frame": noFrames,
  "embeddings bodies": embeddingsBodies,
  "rerank bodies": rerankBodies,
  "similarity bodies": similarityBodies,
  "tokenize bodies": tokenizeBodies,
  "Ollama's bodies": ollamaBodies,
  "Ollama's older bodies": ollamaPrompts,
  "TEI's bodies": teiBodies,
  "TEI's rerank bodies": teiRerankBodies,
  "Cohere's bodies": cohereBodies,
  "Gemini's bodies": geminiBodies,
  "Gemini's batches": geminiBatches,
  "any JSON for a body": anyBodies,
  "changed keys": keys,
  "texts that are no key": noKeys,
  "good HTTP requests in any packets": goodRequests,
  "damaged HTTP requests in any packets": damagedRequests,
};
