// CSV by RFC 4180 (CRLF, quotes where needed), safe to open in a spreadsheet: a cell that would be read as a formula
// begins with an apostrophe (OWASP, CSV injection).

export type Cell = string | number | null;

const FORMULA = /^[=+\-@\t\r]/;
const NEEDS_QUOTES = /[",\r\n]/;

/** A whole table: a line of names, then a line a row. */
export function csvOf(names: readonly string[], rows: Iterable<readonly Cell[]>): string {
  return csvRows([names]) + csvRows(rows);
}

/** The lines after the names. */
export function csvRows(rows: Iterable<readonly Cell[]>): string {
  let text = "";
  for (const row of rows) text += `${row.map(cellText).join(",")}\r\n`;
  return text;
}

function cellText(cell: Cell): string {
  if (cell === null) return "";
  if (typeof cell === "number") return String(cell);
  const safe = FORMULA.test(cell) ? `'${cell}` : cell;
  return NEEDS_QUOTES.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
