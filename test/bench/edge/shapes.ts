// What every system of this bench is asked, and the texts: one place, so that all get the same work.

export interface Shape {
  readonly texts: number;
  readonly encoding: "float" | "base64";
}

export const SHAPES: readonly Shape[] = [
  { texts: 1, encoding: "base64" },
  { texts: 1, encoding: "float" },
  { texts: 100, encoding: "base64" },
  { texts: 100, encoding: "float" },
];
/** Of the model this product exists for. */
export const DIMENSIONS = 2560;
export const MODEL = "owner/bench-model";
/** About 100 tokens. */
const FILLER = "the quick brown fox jumps over the lazy dog and ".repeat(10);

export function nameOf({ texts, encoding }: Shape): string {
  return `${texts} ${texts === 1 ? "text" : "texts"}, ${encoding}`;
}

/** A request's body; `serial` makes each of its texts one that nobody has asked for. */
export function bodyOf({ texts, encoding }: Shape, model: string, serial: string): string {
  const input = Array.from({ length: texts }, (_, index) => `${serial} ${index} ${FILLER}`);
  return JSON.stringify({ model, input: texts === 1 ? input[0] : input, encoding_format: encoding });
}
