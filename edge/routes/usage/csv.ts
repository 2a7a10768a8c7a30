// CSV as RFC 4180 writes it (CRLF, quotes where needed), safe to open in a spreadsheet: a cell that a spreadsheet would
// take for a formula gets an apostrophe in front (OWASP, CSV injection).

export type Cell = string | number | null;

const FORMULA = /^[=+\-@\t\r]/;
const NEEDS_QUOTES = /[",\r\n]/;

/** The text of a table: a line of names, then a line per row. */
export function csvOf(names: readonly string[], rows: Iterable<readonly Cell[]>): string {
  return csvRows([names]) + csvRows(rows);
}

/** Lines to follow the names. */
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
