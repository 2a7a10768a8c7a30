// Counts the values of a JSON text: parsing costs by values, not by bytes (8 MB of brackets or names stop an isolate
// for most of a second, 8 MB of words for ten milliseconds).

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
/** A name with its value costs as much as this many array values. */
const NAME_VALUES = 4;

/** Whether the JSON text `bytes` (UTF-8) has more than `valuesMax` values. Exact for valid JSON, and only for that. */
export function hasMoreValues(bytes: Uint8Array, valuesMax: number): boolean {
  let values = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    switch (bytes[at]) {
      case QUOTE:
        for (at += 1; at < bytes.length && bytes[at] !== QUOTE; at += 1) if (bytes[at] === BACKSLASH) at += 1;
        break;
      case COMMA:
      case OPEN_BRACKET:
      case OPEN_BRACE:
        values += 1;
        break;
      case COLON:
        values += NAME_VALUES;
        break;
      default:
        continue;
    }
    if (values > valuesMax) return true;
  }
  return false;
}
