// A text that calls which run at once have of one computation. The first of them that is priced pays for it, the others for
// a hit. A call that is never priced, because its client left, has paid for nothing: else each text could be had for the
// price of a hit, by a second call beside one that leaves.

import type { EmbeddedText } from "./types.ts";

interface Payer {
  call?: object;
}

export class SharedText implements EmbeddedText {
  readonly vector: Uint16Array;
  readonly tokens: number;
  readonly #call: object;
  readonly #payer: Payer;

  constructor({ vector, tokens }: Pick<EmbeddedText, "vector" | "tokens">, call: object, payer: Payer = {}) {
    this.vector = vector;
    this.tokens = tokens;
    this.#call = call;
    this.#payer = payer;
  }

  /** Whether another call has paid for it. */
  get hit(): boolean {
    const { call = this.#call } = this.#payer;
    return call !== this.#call;
  }

  pay(): void {
    this.#payer.call ??= this.#call;
  }

  /** The same text as one of `call`. */
  in(call: object): SharedText {
    return new SharedText(this, call, this.#payer);
  }
}
