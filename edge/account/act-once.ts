// Acts that create something, once for each `Idempotency-Key` of a key: a repeat is answered with what was created.

import { isRefused } from "../keys/acting-key.ts";
import type { Acting, Actor, Refused } from "../keys/acting-key.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Cipher } from "../lib/cipher.ts";
import { MadeOnce, SECRET_MS, isRepeat, openShown, sealShown } from "../lib/made-once.ts";
import type { Once, Repeat } from "../lib/made-once.ts";
import type { Turns } from "./turns.ts";

/** Whether an act created something: its answer is neither a refusal nor a repeat. */
export function isMade<Answer>(answer: Answer): answer is Exclude<Extract<Answer, object>, Refused | Repeat<unknown>> {
  return typeof answer === "object" && answer !== null && !isRefused(answer) && !isRepeat(answer);
}

export class ActOnce {
  readonly #turns: Turns;
  readonly #cipher: Cipher;
  readonly #made: MadeOnce;

  constructor(turns: Turns, sql: SqlStorage, cipher: Cipher) {
    this.#turns = turns;
    this.#cipher = cipher;
    this.#made = new MadeOnce(sql);
  }

  /** `shown`: a secret in the answer; a repeat within the first minute gets it again. */
  async act<Made extends { readonly id: string }, Other extends string>(
    by: Actor,
    once: Once | undefined,
    shown: { readonly id: string; readonly secret: string } | undefined,
    work: (ledger: Ledger, nowMs: number, acting: Acting) => Made | Other | Refused,
  ): Promise<Made | Other | Repeat<Made> | "reused" | Refused | undefined> {
    if (once === undefined) return this.#turns.act(by, work);
    const sealed = shown === undefined ? undefined : await sealShown(this.#cipher, shown.id, shown.secret);
    const result = this.#turns.act(by, (ledger, nowMs, acting) => {
      const before = this.#made.find<Made>(once, acting.name, nowMs);
      if (before !== undefined) return before;
      const made = work(ledger, nowMs, acting);
      if (isMade(made)) this.#made.note(once, acting.name, made, sealed, nowMs);
      if (sealed !== undefined) this.#turns.storage.wakeAt(nowMs + SECRET_MS);
      return made;
    });
    if (typeof result !== "object" || !("again" in result)) return result;
    const { again, sealed: kept } = result;
    return { again, secret: kept === undefined ? null : await openShown(this.#cipher, again.id, kept) };
  }

  /** Wipes the secrets whose minute is over. */
  wipe(): void {
    const nextMs = this.#made.wipe(this.#turns.nowMs());
    if (nextMs !== undefined) this.#turns.storage.wakeAt(nextMs);
  }

  forget(): void {
    this.#made.forget();
  }
}
