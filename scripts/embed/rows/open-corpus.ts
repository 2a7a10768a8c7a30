// Opens a corpus by its file name: .jsonl, .ndjson, .csv, .tsv (each also with .gz), .parquet.

import { createReadStream, statSync } from "node:fs";
import { basename } from "node:path";
import { pipeline } from "node:stream";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { csvRows } from "./csv.ts";
import { jsonlRows } from "./jsonl.ts";
import { parquetRows } from "./parquet.ts";
import type { Corpus, Fields } from "./row.ts";
import { CorpusError } from "./row.ts";

const KINDS = ".jsonl, .ndjson, .csv or .tsv (each perhaps with .gz behind it), or .parquet";
const READ_BYTES = 1024 * 1024;

/** Throws CorpusError for an unknown kind of file, or if there is no such file. */
export function openCorpus(path: string, fields: Fields): Corpus {
  if (path === "-") {
    throw new CorpusError(
      "A corpus is read several times (to check it, to embed it, to write the vectors) and again when the job goes on, so it must be a file, not standard input.",
    );
  }
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) {
    throw new CorpusError(`There is no file "${path}".`);
  }
  const name = basename(path);
  const kind = /\.(jsonl|ndjson|csv|tsv|parquet)(\.gz)?$/i
    .exec(name)
    ?.slice(1)
    .map((part) => part?.toLowerCase());
  // Opened when the first row is read.
  const open = (): Readable => bytesOf(path, kind?.[1] !== undefined);
  const version = (): string => {
    const { size, mtimeMs } = statSync(path);
    return `${size} ${mtimeMs}`;
  };
  switch (kind?.[0]) {
    case "jsonl":
    case "ndjson":
      return { name, version, unit: "line", rows: () => undamaged(jsonlRows(open, fields), name) };
    case "csv":
    case "tsv": {
      const delimiter = kind[0] === "csv" ? "," : "\t";
      return { name, version, unit: "line", rows: () => undamaged(csvRows(open, delimiter, name, fields), name) };
    }
    case "parquet":
      if (kind[1] === undefined) return { name, version, unit: "row", rows: () => parquetRows(path, name, fields) };
      throw new CorpusError(`${name}: Parquet is compressed within; unpack the file first.`);
    default:
      throw new CorpusError(`${name}: the name must end in ${KINDS}; JSON must be one value on each line.`);
  }
}

function bytesOf(path: string, isZipped: boolean): Readable {
  const file = createReadStream(path, { highWaterMark: READ_BYTES });
  if (!isZipped) return file;
  const gunzip = createGunzip({ chunkSize: READ_BYTES });
  // The second stream passes an error of either on to the reader.
  pipeline(file, gunzip, () => undefined);
  return gunzip;
}

/** The rows; zlib's error for a damaged file gets words. */
async function* undamaged<Rows>(rows: AsyncIterable<Rows>, name: string): AsyncGenerator<Rows> {
  try {
    yield* rows;
  } catch (error) {
    const isZlib = error instanceof Error && "code" in error && String(error.code).startsWith("Z_");
    throw isZlib ? new CorpusError(`${name} is damaged: ${error.message}.`) : error;
  }
}
