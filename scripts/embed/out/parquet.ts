// vectors.parquet by hyparquet-writer: `id` (INT64, or STRING where an id is text) and `embedding`, a LIST of FLOAT, of
// FLOAT16, of INT_8, or of UINT_8 (binary: eight dimensions each). Written a row group at a time.

import { join } from "node:path";
import { renameSync } from "node:fs";
import type { SchemaElement } from "hyparquet";
import { ParquetWriter, fileWriter } from "hyparquet-writer";
import type { Dtype } from "../job.ts";
import { valuesOf } from "./values.ts";
import type { VectorShape, VectorWriter } from "./vector-writer.ts";

/** Numbers in a row group, which is in memory while it is encoded. */
const GROUP_VALUES = 2_000_000;

const ELEMENT: Readonly<Record<Dtype, Omit<SchemaElement, "name" | "repetition_type">>> = {
  float32: { type: "FLOAT" },
  float16: { type: "FIXED_LEN_BYTE_ARRAY", type_length: 2, logical_type: { type: "FLOAT16" } },
  int8: { type: "INT32", converted_type: "INT_8" },
  binary: { type: "INT32", converted_type: "UINT_8" },
};

export async function parquetWriter(out: string, { dtype, dimensions, ids }: VectorShape): Promise<VectorWriter> {
  const path = join(out, "vectors.parquet");
  const writer = new ParquetWriter({
    writer: fileWriter(`${path}.partial`),
    schema: schemaOf(dtype, ids),
    statistics: false,
  });
  const rowsMax = Math.max(1, Math.floor(GROUP_VALUES / dimensions));
  let group: { ids: (string | bigint)[]; embeddings: number[][] } = { ids: [], embeddings: [] };
  const flush = async (): Promise<void> => {
    if (group.ids.length === 0) return;
    await writer.write({
      columnData: [
        { name: "id", data: group.ids },
        // Compression does not make vectors smaller.
        { name: "embedding", data: group.embeddings, codec: "UNCOMPRESSED" },
      ],
      rowGroupSize: rowsMax,
      dictionarySize: 0,
    });
    group = { ids: [], embeddings: [] };
  };
  return {
    add: async (id, vector) => {
      group.ids.push(ids === "integer" ? BigInt(id) : String(id));
      group.embeddings.push(Array.from(valuesOf(vector, dtype)));
      if (group.ids.length === rowsMax) await flush();
    },
    finish: async () => {
      await flush();
      await writer.finish();
      renameSync(`${path}.partial`, path);
      return [path];
    },
  };
}

function schemaOf(dtype: Dtype, ids: VectorShape["ids"]): SchemaElement[] {
  const id: Omit<SchemaElement, "name"> =
    ids === "integer" ? { type: "INT64" } : { type: "BYTE_ARRAY", converted_type: "UTF8" };
  return [
    { name: "root", num_children: 2 },
    { name: "id", repetition_type: "REQUIRED", ...id },
    { name: "embedding", repetition_type: "REQUIRED", num_children: 1, converted_type: "LIST" },
    { name: "list", repetition_type: "REPEATED", num_children: 1 },
    { name: "element", repetition_type: "REQUIRED", ...ELEMENT[dtype] },
  ];
}
