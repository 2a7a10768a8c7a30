// vectors.npy: NumPy's format 1.0, an array [rows, dimensions] in C order (binary: [rows, dimensions / 8] of uint8,
// eight dimensions a byte, most significant first); ids.jsonl: the id of each row. Format: numpy.lib.format.

import { join } from "node:path";
import type { Dtype } from "../job.ts";
import type { VectorShape, VectorWriter } from "./vector-writer.ts";
import { idJson } from "./vector-writer.ts";
import { WholeFile } from "./whole-file.ts";

const HEADER_BYTES = 128;
const DESCR: Readonly<Record<Dtype, string>> = { float32: "<f4", float16: "<f2", int8: "|i1", binary: "|u1" };

export async function npyWriter(out: string, { dtype, dimensions }: VectorShape): Promise<VectorWriter> {
  const [vectors, ids] = await Promise.all([
    WholeFile.create(join(out, "vectors.npy")),
    WholeFile.create(join(out, "ids.jsonl")),
  ]);
  // The number of rows is known only at the end.
  await vectors.write(Buffer.alloc(HEADER_BYTES));
  let rows = 0;
  return {
    add: async (id, vector) => {
      await vectors.write(vector);
      await ids.write(Buffer.from(`${idJson(id)}\n`));
      rows += 1;
    },
    finish: async () => {
      const columns = dtype === "binary" ? dimensions / 8 : dimensions;
      return [await ids.finish(), await vectors.finish(npyHeader(DESCR[dtype], rows, columns))];
    },
  };
}

function npyHeader(descr: string, rows: number, columns: number): Buffer {
  const dictionary = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${rows}, ${columns}), }`;
  const head = Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0, HEADER_BYTES - 10, 0]);
  return Buffer.concat([head, Buffer.from(`${dictionary.padEnd(HEADER_BYTES - 11)}\n`, "latin1")]);
}
