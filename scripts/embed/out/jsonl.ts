// vectors.jsonl: a line {"id": …, "embedding": […]} a vector. A float is the shortest text that reads back to it; int8
// is -127 to 127; binary is bytes of eight dimensions each, most significant first.

import { join } from "node:path";
import type { VectorShape, VectorWriter } from "./vector-writer.ts";
import { idJson } from "./vector-writer.ts";
import { valuesOf } from "./values.ts";
import { WholeFile } from "./whole-file.ts";
import { FLOAT_TEXT_BYTES_MAX, writeFloatTexts } from "../../../shared/float-text.ts";

export async function jsonlWriter(out: string, { dtype, dimensions }: VectorShape): Promise<VectorWriter> {
  const file = await WholeFile.create(join(out, "vectors.jsonl"));
  const text = Buffer.allocUnsafe(dimensions * (FLOAT_TEXT_BYTES_MAX + 1));
  return {
    add: async (id, vector) => {
      const values = valuesOf(vector, dtype);
      await file.write(Buffer.from(`{"id":${idJson(id)},"embedding":[`));
      if (values instanceof Float32Array) await file.write(text.subarray(0, writeFloatTexts(values, text, 0)));
      else await file.write(Buffer.from(values.join(",")));
      await file.write(Buffer.from("]}\n"));
    },
    finish: async () => [await file.finish()],
  };
}
