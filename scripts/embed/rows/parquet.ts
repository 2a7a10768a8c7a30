// Reads Parquet by hyparquet: the two wanted columns, a row group at a time, so the file's largest row group decides
// how much memory it takes.

import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import type { BadRow, Fields, Row } from "./row.ts";
import { CorpusError, rowOf } from "./row.ts";

export async function* parquetRows(
  path: string,
  name: string,
  fields: Fields,
): AsyncGenerator<readonly (Row | BadRow)[]> {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file).catch((error: unknown) => {
    throw new CorpusError(
      `${name} cannot be read as Parquet: ${error instanceof Error ? error.message : "unreadable"}`,
    );
  });
  const names = parquetSchema(metadata).children.map(({ element }) => element.name);
  const columns = columnsOf(names, name, fields);
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows);
    const first = rowStart;
    const objects: readonly unknown[] = await parquetReadObjects({
      file,
      metadata,
      columns,
      rowStart,
      rowEnd,
      compressors,
    });
    yield objects.map((value, index) => rowOf(value, { row: first + index, line: first + index + 1 }, fields));
    rowStart = rowEnd;
  }
}

function columnsOf(names: readonly string[], name: string, fields: Fields): string[] {
  for (const [field, option] of [
    [fields.text, "--field"],
    [fields.id ?? "id", "--id"],
  ] as const) {
    if (names.includes(field) || (option === "--id" && fields.id === undefined)) continue;
    const there = names.map((column) => JSON.stringify(column)).join(", ");
    throw new CorpusError(`${name}: there is no column "${field}" (${there}): name the right one with ${option}.`);
  }
  return names.filter((column) => column === fields.text || column === (fields.id ?? "id"));
}
