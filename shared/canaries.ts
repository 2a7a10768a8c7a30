// The canary texts: fixed inputs whose vectors are published for each revision (docs/signatures.md, Canaries), so that
// anybody can tell whether a model still means what it meant. They are sent with `truncate: "end"`. A change of one, or
// of their order, is a new version; lists that were published under an older one stay as they are.

export const CANARIES_VERSION = 1;

export interface Canary {
  readonly input: string;
  readonly input_type: "document" | "query";
}

const document = (input: string): Canary => ({ input, input_type: "document" });

const LONG = Array.from(
  { length: 20 },
  (_, index) =>
    `Sentence ${index + 1}: the ship's log of day ${(index + 1) * 7} tells of wind from the west, ${index * 3 + 40} miles made good, and a crew in fair health.`,
).join(" ");

export const CANARIES: readonly Canary[] = [
  document("The quick brown fox jumps over the lazy dog."),
  document("¿Dónde está la biblioteca? El niño pequeño pregunta por ella cada mañana."),
  document("学而时习之，不亦说乎？有朋自远方来，不亦乐乎？"),
  document("吾輩は猫である。名前はまだ無い。"),
  document("العلم نور والجهل ظلام، ومن جد وجد."),
  document("सत्यमेव जयते नानृतम्।"),
  document("Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему."),
  document("Café, naïve, 10 °C ≠ 50 °F, ½ + ¼ = ¾; 👩‍🚀 said: “ok”\tand left."),
  // A text that begins like this gave NaN in float16 (design of the engine: docs/decisions/not-finite-vectors.md).
  document('import sys\n\n\ndef main() -> int:\n    print("hello, world", file=sys.stderr)\n    return 0\n'),
  document('{"id": 17, "tags": ["a", "b"], "price": {"amount": "12.50", "currency": "EUR"}, "sold": null}'),
  document(LONG),
  { input: "how do I change the address on my account?", input_type: "query" },
];
