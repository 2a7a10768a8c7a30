// In whose form a path is answered where no route is. A client of another vendor's API may call more of it than is served
// here, and shows a message in its vendor's form alone: Ollama's prints "[object Object]" for ours.

import { COHERE } from "../../foreign/cohere.ts";
import { GEMINI } from "../../foreign/gemini.ts";
import { OLLAMA } from "../../foreign/ollama.ts";
import { TEI } from "../../foreign/tei.ts";
import type { Vendor } from "../../lib/vendor.ts";

/** Clients of OpenAI's have base URLs that end in `/api/v1` and `/v1beta/openai`; `/v2/rerank` has our own errors. */
const PLACES: readonly (readonly [RegExp, Vendor])[] = [
  [/^\/api(?!\/v\d)(?:\/|$)/, OLLAMA],
  [/^\/v2(?!\/rerank\/?$)(?:\/|$)/, COHERE],
  [/^\/v1beta(?!\/openai)(?:\/|$)/, GEMINI],
  // A method behind the model's name. `NAME:query` is a name.
  [/^\/v1\/models\/.*:[a-z]+[A-Z]\w*\/?$/, GEMINI],
  [/^\/v1\/models\/[^/]+\/[^/]+\/(?!canaries\/?$)[^/]+\/?$/, TEI],
  [/^\/embed\/?$/, TEI],
];

/** The vendor whose clients ask for `path`; undefined: our own. */
export function vendorAt(path: string): Vendor | undefined {
  return PLACES.find(([place]) => place.test(path))?.[1];
}
