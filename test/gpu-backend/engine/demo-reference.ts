// The demo checkpoint's reference: token ids and float32 embeddings that transformers computed (test/vectors).

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as z from "zod";

const PATH = fileURLToPath(new URL("../../vectors/demo-reference.json", import.meta.url));
const schema = z.object({
  dims: z.int(),
  items: z.array(z.object({ text: z.string(), ids: z.array(z.int()), embedding: z.array(z.number()) })),
});

export const DEMO_MODEL_DIR = fileURLToPath(new URL("../../../gpu-backend/demo-model", import.meta.url));

export interface DemoReference {
  readonly size: number;
  readonly texts: readonly string[];
  readonly ids: readonly Int32Array[];
  readonly embeddings: readonly (readonly number[])[];
}

export function readDemoReference(): DemoReference {
  const { dims, items } = schema.parse(JSON.parse(readFileSync(PATH, "utf8")));
  return {
    size: dims,
    texts: items.map((item) => item.text),
    ids: items.map((item) => Int32Array.from(item.ids)),
    embeddings: items.map((item) => item.embedding),
  };
}
