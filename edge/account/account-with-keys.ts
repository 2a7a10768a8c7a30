// The account's object with its keys: creating, changing, rotating and revoking them, for a key or for the operator. A
// key's secret is generated and hashed here. A POST with an `Idempotency-Key` creates one thing (made-once.ts).

import { must } from "../../shared/assert.ts";
import { importHmacKey } from "../../shared/hmac.ts";
import { newId } from "../../shared/ids.ts";
import type { AccountId, KeyId } from "../../shared/ids.ts";
import { createKey, shownPrefix } from "../../shared/keys.ts";
import { cipherOf } from "../lib/cipher.ts";
import type { Cipher } from "../lib/cipher.ts";
import { MadeOnce, SECRET_MS, isRepeat, openShown, sealShown } from "../lib/made-once.ts";
import type { Once, Repeat } from "../lib/made-once.ts";
import { AccountObject } from "./account.ts";
import type { AccountEnv } from "./account.ts";
import { isRefused, judgeActor } from "../keys/acting-key.ts";
import type { Acting, ActingKey, Actor, Refused } from "../keys/acting-key.ts";
import * as keyActs from "../keys/key-acts.ts";
import { draftedTerms, refusalToChange, refusalToMake, refusalToRevoke } from "../keys/key-reach.ts";
import { rightsOf } from "../ledger/key-ring.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { Peppers } from "../keys/secret-hash.ts";
import type { Rights, SecretHash } from "../ledger/types.ts";

/** Whether an act created something: its answer is neither a refusal nor a repeat. */
export function isMade<Answer>(answer: Answer): answer is Exclude<Extract<Answer, object>, Refused | Repeat<unknown>> {
  return typeof answer === "object" && answer !== null && !isRefused(answer) && !isRepeat(answer);
}

/** A key as its creator sees it, the only time. */
export type CreatedKey = keyActs.KeyView & { readonly key: string };

export class AccountWithKeys extends AccountObject {
  protected readonly cipher: Cipher;
  readonly #made: MadeOnce;
  readonly #peppers: Peppers;

  constructor(ctx: DurableObjectState, env: AccountEnv) {
    super(ctx, env);
    this.cipher = cipherOf(env);
    this.#made = new MadeOnce(ctx.storage.sql);
    this.#peppers = new Peppers(
      env.KEY_PEPPER_PREVIOUS === undefined ? [env.KEY_PEPPER] : [env.KEY_PEPPER, env.KEY_PEPPER_PREVIOUS],
    );
  }

  /** The current rights of a key; `Refused` if it may not do what it asks for. */
  rightsNow(by: ActingKey): Rights | Refused | undefined {
    return this.turn((ledger, nowMs) => {
      const acting = judgeActor(ledger, by, nowMs);
      return isRefused(acting) ? acting : rightsOf(ledger.accountId, must(acting.key, "a key that acts"));
    });
  }

  listKeys(): keyActs.KeyView[] | undefined {
    return this.turn((ledger) => ledger.keys.live.map((record) => keyActs.viewKey(ledger, record)));
  }

  getKey(id: KeyId): keyActs.KeyView | undefined {
    return this.turn((ledger) => {
      const record = keyActs.liveKey(ledger, id);
      return record === undefined ? undefined : keyActs.viewKey(ledger, record);
    });
  }

  async createKey(
    accountId: AccountId,
    draft: keyActs.KeyDraft,
    by: Actor,
    once?: Once,
  ): Promise<CreatedKey | Repeat<keyActs.KeyView> | "too_many_keys" | "reused" | Refused | undefined> {
    const { text, prefix, secret } = await this.newSecret(accountId);
    const id = newId("key");
    const made = await this.actOnce<keyActs.KeyView, "too_many_keys">(
      by,
      once,
      { id, secret: text },
      (ledger, nowMs, acting) => {
        const terms = draftedTerms(draft, acting);
        return (
          refusalToMake(terms, acting) ?? keyActs.addKey(ledger, { id, prefix, secret, terms }, acting.name, nowMs)
        );
      },
    );
    return isMade(made) ? { ...made, key: text } : made;
  }

  patchKey(
    id: KeyId,
    patch: keyActs.KeyPatch,
    by: Actor,
  ): keyActs.KeyView | "unknown" | "no_cap" | Refused | undefined {
    return this.act(
      by,
      (ledger, nowMs, acting) =>
        refusalToChange(keyActs.liveKey(ledger, id), patch, acting) ??
        keyActs.patchKey(ledger, id, patch, acting.name, nowMs),
    );
  }

  async rotateKey(
    accountId: AccountId,
    id: KeyId,
    overlapMs: number,
    by: Actor,
    once?: Once,
  ): Promise<CreatedKey | Repeat<keyActs.KeyView> | "unknown" | "reused" | Refused | undefined> {
    const { text, ...fresh } = await this.newSecret(accountId);
    const rotated = await this.actOnce<keyActs.KeyView, "unknown">(
      by,
      once,
      { id, secret: text },
      (ledger, nowMs, acting) =>
        refusalToChange(keyActs.liveKey(ledger, id), undefined, acting) ??
        keyActs.rotateKey(ledger, id, { ...fresh, overlapMs }, acting.name, nowMs),
    );
    return isMade(rotated) ? { ...rotated, key: text } : rotated;
  }

  revokeKey(id: KeyId, by: Actor): "revoked" | "unknown" | Refused | undefined {
    return this.act(
      by,
      (ledger, nowMs, acting) =>
        refusalToRevoke(keyActs.liveKey(ledger, id), acting) ?? this.endKey(ledger, id, acting.name, nowMs),
    );
  }

  /** Revokes a leaked key or secret, reported by anyone who holds it. */
  async reportLeak(secret: Uint8Array, actor: string): Promise<"revoked" | "unknown" | undefined> {
    const hashes = await this.#peppers.hashes(secret);
    return this.turn((ledger, nowMs) => {
      const leaked = keyActs.leakedKey(ledger, hashes, actor, nowMs);
      return leaked.kind === "key" ? this.endKey(ledger, leaked.id, actor, nowMs) : leaked.kind;
    });
  }

  /** Every end of a key goes through here, in the turn that ends it. */
  protected endKey(ledger: Ledger, id: KeyId, actor: string, nowMs: number): "revoked" | "unknown" {
    return keyActs.revokeKey(ledger, id, actor, nowMs);
  }

  override async alarm(): Promise<void> {
    await super.alarm();
    const wipeAtMs = this.#made.wipe(this.nowMs());
    if (wipeAtMs !== undefined) this.storage.wakeAt(wipeAtMs);
  }

  protected override storedAnew(): void {
    super.storedAnew();
    this.#made.forget();
  }

  /**
   * `act` that creates something, once for each `Idempotency-Key` of a key: a repeat is answered with what was created.
   * `shown`: a secret in the answer; a repeat within the first minute gets it again.
   */
  protected async actOnce<Made extends { readonly id: string }, Other extends string>(
    by: Actor,
    once: Once | undefined,
    shown: { readonly id: string; readonly secret: string } | undefined,
    work: (ledger: Ledger, nowMs: number, acting: Acting) => Made | Other | Refused,
  ): Promise<Made | Other | Repeat<Made> | "reused" | Refused | undefined> {
    if (once === undefined) return this.act(by, work);
    const sealed = shown === undefined ? undefined : await sealShown(this.cipher, shown.id, shown.secret);
    const result = this.act(by, (ledger, nowMs, acting) => {
      const before = this.#made.find<Made>(once, acting.name, nowMs);
      if (before !== undefined) return before;
      const made = work(ledger, nowMs, acting);
      if (isMade(made)) this.#made.note(once, acting.name, made, sealed, nowMs);
      if (sealed !== undefined) this.storage.wakeAt(nowMs + SECRET_MS);
      return made;
    });
    if (typeof result !== "object" || !("again" in result)) return result;
    const { again, sealed: kept } = result;
    return { again, secret: kept === undefined ? null : await openShown(this.cipher, again.id, kept) };
  }

  protected async newSecret(accountId: AccountId): Promise<{ text: string; prefix: string; secret: SecretHash }> {
    const { text, parsed } = await createKey(accountId, await importHmacKey(this.env.KEY_TAG_SECRET));
    const [secret] = await this.#peppers.hashes(parsed.secret);
    if (secret === undefined) throw new Error("no pepper is configured");
    return { text, prefix: shownPrefix(text), secret };
  }
}
