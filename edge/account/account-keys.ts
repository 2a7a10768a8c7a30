// The keys of an account: creating, changing, rotating and revoking them, for a key or for the operator, and the last
// refusal of each. A key's secret is generated and hashed here.

import { must } from "../../shared/assert.ts";
import { importHmacKey } from "../../shared/hmac.ts";
import { newId } from "../../shared/ids.ts";
import type { AccountId, KeyId } from "../../shared/ids.ts";
import { createKey, shownPrefix } from "../../shared/keys.ts";
import { isRefused, judgeActor } from "../keys/acting-key.ts";
import type { ActingKey, Actor, Refused } from "../keys/acting-key.ts";
import * as keyActs from "../keys/key-acts.ts";
import type { KeyView } from "../keys/key-acts.ts";
import { draftedTerms, refusalToChange, refusalToMake, refusalToRevoke } from "../keys/key-reach.ts";
import { RefusedKeys } from "../keys/refused-keys.ts";
import type { LastRefusal, MendableCode } from "../keys/refused-keys.ts";
import { Peppers } from "../keys/secret-hash.ts";
import { rightsOf } from "../ledger/key-ring.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Rights, SecretHash } from "../ledger/types.ts";
import type { StorageSecrets } from "../lib/cipher.ts";
import type { Once, Repeat } from "../lib/made-once.ts";
import { isMade } from "./act-once.ts";
import type { ActOnce } from "./act-once.ts";
import type { Turns } from "./turns.ts";

export interface KeySecrets extends StorageSecrets {
  readonly KEY_TAG_SECRET: string;
}

/** A key as its creator sees it, the only time. */
export type CreatedKey = KeyView & { readonly key: string };

export class AccountKeys {
  readonly #turns: Turns;
  readonly #once: ActOnce;
  readonly #refused: RefusedKeys;
  readonly #peppers: Peppers;
  readonly #tagSecret: string;

  constructor(turns: Turns, once: ActOnce, sql: SqlStorage, env: KeySecrets) {
    this.#turns = turns;
    this.#once = once;
    this.#refused = new RefusedKeys(sql);
    this.#peppers = new Peppers(
      env.KEY_PEPPER_PREVIOUS === undefined ? [env.KEY_PEPPER] : [env.KEY_PEPPER, env.KEY_PEPPER_PREVIOUS],
    );
    this.#tagSecret = env.KEY_TAG_SECRET;
  }

  /** The current rights of a key; `Refused` if it may not do what it asks for. */
  rightsNow(by: ActingKey): Rights | Refused | undefined {
    return this.#turns.turn((ledger, nowMs) => {
      const acting = judgeActor(ledger, by, nowMs);
      return isRefused(acting) ? acting : rightsOf(ledger.accountId, must(acting.key, "a key that acts"));
    });
  }

  /** Notes that a call was refused for something that the owner of the key can fix. */
  noteRefusal(secret: readonly SecretHash[], code: MendableCode): void {
    this.#turns.turn((ledger, nowMs) => {
      const record = ledger.keys.locate(secret);
      if (record !== undefined && record.revokedAtMs === undefined) this.#refused.note(record.id, code, nowMs);
    });
  }

  list(): KeyView[] | undefined {
    const refused = this.#refused.all();
    return this.#turns.turn((ledger) =>
      ledger.keys.live.map((record) => withRefusal(keyActs.viewKey(ledger, record), refused.get(record.id))),
    );
  }

  get(id: KeyId): KeyView | undefined {
    return this.#turns.turn((ledger) => {
      const record = keyActs.liveKey(ledger, id);
      return record === undefined ? undefined : withRefusal(keyActs.viewKey(ledger, record), this.#refused.get(id));
    });
  }

  async create(
    accountId: AccountId,
    draft: keyActs.KeyDraft,
    by: Actor,
    once?: Once,
  ): Promise<CreatedKey | Repeat<KeyView> | "too_many_keys" | "reused" | Refused | undefined> {
    const { text, prefix, secret } = await this.newSecret(accountId);
    const id = newId("key");
    const shown = { id, secret: text };
    const made = await this.#once.act<KeyView, "too_many_keys">(by, once, shown, (ledger, nowMs, acting) => {
      const terms = draftedTerms(draft, acting);
      return refusalToMake(terms, acting) ?? keyActs.addKey(ledger, { id, prefix, secret, terms }, acting.name, nowMs);
    });
    return isMade(made) ? { ...made, key: text } : made;
  }

  patch(id: KeyId, patch: keyActs.KeyPatch, by: Actor): KeyView | "unknown" | "no_cap" | Refused | undefined {
    return this.#turns.act(
      by,
      (ledger, nowMs, acting) =>
        refusalToChange(keyActs.liveKey(ledger, id), patch, acting) ??
        keyActs.patchKey(ledger, id, patch, acting.name, nowMs),
    );
  }

  async rotate(
    accountId: AccountId,
    id: KeyId,
    overlapMs: number,
    by: Actor,
    once?: Once,
  ): Promise<CreatedKey | Repeat<KeyView> | "unknown" | "reused" | Refused | undefined> {
    const { text, ...fresh } = await this.newSecret(accountId);
    const rotated = await this.#once.act<KeyView, "unknown">(
      by,
      once,
      { id, secret: text },
      (ledger, nowMs, acting) =>
        refusalToChange(keyActs.liveKey(ledger, id), undefined, acting) ??
        keyActs.rotateKey(ledger, id, { ...fresh, overlapMs }, acting.name, nowMs),
    );
    return isMade(rotated) ? { ...rotated, key: text } : rotated;
  }

  revoke(id: KeyId, by: Actor): "revoked" | "unknown" | Refused | undefined {
    return this.#turns.act(
      by,
      (ledger, nowMs, acting) =>
        refusalToRevoke(keyActs.liveKey(ledger, id), acting) ?? this.end(ledger, id, acting.name, nowMs),
    );
  }

  /** Revokes a leaked key or secret, reported by anyone who holds it. */
  async reportLeak(secret: Uint8Array, actor: string): Promise<"revoked" | "unknown" | undefined> {
    const hashes = await this.#peppers.hashes(secret);
    return this.#turns.turn((ledger, nowMs) => {
      const leaked = keyActs.leakedKey(ledger, hashes, actor, nowMs);
      return leaked.kind === "key" ? this.end(ledger, leaked.id, actor, nowMs) : leaked.kind;
    });
  }

  /** Every end of a key goes through here, in the turn that ends it. */
  end(ledger: Ledger, id: KeyId, actor: string, nowMs: number): "revoked" | "unknown" {
    this.#refused.delete(id);
    return keyActs.revokeKey(ledger, id, actor, nowMs);
  }

  async newSecret(accountId: AccountId): Promise<{ text: string; prefix: string; secret: SecretHash }> {
    const { text, parsed } = await createKey(accountId, await importHmacKey(this.#tagSecret));
    const [secret] = await this.#peppers.hashes(parsed.secret);
    return { text, prefix: shownPrefix(text), secret: must(secret, "a pepper is configured") };
  }

  forget(): void {
    this.#refused.forget();
  }
}

function withRefusal(key: KeyView, lastRefusal: LastRefusal | undefined): KeyView {
  return lastRefusal === undefined ? key : { ...key, lastRefusal };
}
