// The sign-in sessions of an account's pages. A session is a row here and a key, and ends with either.
// A key that was created for a session ends with it.

import type { ActingKey, Actor, Refused } from "../keys/acting-key.ts";
import type { AccountKeys, CreatedKey } from "./account-keys.ts";
import { audit } from "../ledger/acts.ts";
import { addKey, liveKey } from "../keys/key-acts.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { expiryOf } from "../ledger/rights.ts";
import { SCOPES } from "../ledger/types.ts";
import type { AccountId, KeyId } from "../../shared/ids.ts";
import { newId } from "../../shared/ids.ts";
import { SessionStore } from "./session-store.ts";
import type { SessionRecord } from "./session-store.ts";
import type { Turns } from "./turns.ts";

/** The most sessions of one account; the oldest end. */
const SESSIONS_MAX = 20;
/** The most sessions with their own key, because each takes one of the account's hundred keys. */
const OWN_KEYS_MAX = 5;
const KEY_NAME = "Dashboard";

export type NewSession = Pick<SessionRecord, "via" | "name" | "expiresAtMs">;

export class AccountSessions {
  readonly #turns: Turns;
  readonly #keys: AccountKeys;
  readonly #sessions: SessionStore;

  constructor(turns: Turns, keys: AccountKeys, sql: SqlStorage) {
    this.#turns = turns;
    this.#keys = keys;
    this.#sessions = new SessionStore(sql);
  }

  /** Signs in with an existing key: the session has its rights. */
  begin(session: NewSession, by: ActingKey): SessionRecord | Refused | undefined {
    return this.#turns.act(by, (ledger, nowMs, { key, name }) => {
      if (key === undefined) throw new TypeError("a session is a key's");
      return this.#add(ledger, { ...session, keyId: key.id, ownsKey: false }, name, nowMs);
    });
  }

  /**
   * Signs in a person whom `actor` has identified: with a new key that has every scope and expires with the session.
   */
  async beginOwn(
    accountId: AccountId,
    session: NewSession,
    actor: string,
  ): Promise<{ readonly session: SessionRecord; readonly key: CreatedKey["key"] } | "too_many_keys" | undefined> {
    const { text, prefix, secret } = await this.#keys.newSecret(accountId);
    return this.#turns.turn((ledger, nowMs) => {
      const { expiresAtMs } = session;
      this.#makeRoom(ledger, nowMs, true);
      const terms = { name: KEY_NAME, scopes: SCOPES, expiresAtMs, cache: "standard" } as const;
      const made = addKey(ledger, { id: newId("key"), prefix, secret, terms }, actor, nowMs);
      if (made === "too_many_keys") return made;
      return { session: this.#add(ledger, { ...session, keyId: made.id, ownsKey: true }, actor, nowMs), key: text };
    });
  }

  /** The session; undefined if it has ended. */
  get(id: string): SessionRecord | undefined {
    return this.#turns.turn((ledger, nowMs) => {
      const record = this.#sessions.get(id);
      return record !== undefined && isAlive(ledger, record, nowMs) ? record : undefined;
    });
  }

  /** Newest first. */
  list(): SessionRecord[] | undefined {
    return this.#turns.turn((ledger, nowMs) => this.#sessions.all().filter((record) => isAlive(ledger, record, nowMs)));
  }

  /** `id` undefined: every session. Returns how many ended. */
  end(id: string | undefined, by: Actor): number | Refused | undefined {
    return this.#turns.act(by, (ledger, nowMs, { name }) => {
      const ended = this.#sessions
        .all()
        .filter((record) => (id === undefined || record.id === id) && isAlive(ledger, record, nowMs));
      for (const record of ended) this.#remove(ledger, record, name, nowMs);
      return ended.length;
    });
  }

  forget(): void {
    this.#sessions.forget();
  }

  #add(
    ledger: Ledger,
    session: NewSession & { readonly keyId: KeyId; readonly ownsKey: boolean },
    actor: string,
    nowMs: number,
  ): SessionRecord {
    this.#makeRoom(ledger, nowMs, false);
    const record: SessionRecord = { ...session, id: newId("session"), createdAtMs: nowMs };
    this.#sessions.put(record);
    audit(ledger, nowMs, actor, "session.begin", { id: record.id, via: record.via });
    return record;
  }

  #makeRoom(ledger: Ledger, nowMs: number, forOwnKey: boolean): void {
    const all = this.#sessions.all();
    const alive = all.filter((record) => isAlive(ledger, record, nowMs));
    for (const { id } of all) if (!alive.some((record) => record.id === id)) this.#sessions.delete(id);
    const own = alive.filter(({ ownsKey }) => ownsKey);
    const old = forOwnKey ? own.slice(OWN_KEYS_MAX - 1) : alive.slice(SESSIONS_MAX - 1);
    for (const record of old) this.#remove(ledger, record, "session", nowMs);
  }

  #remove(ledger: Ledger, { id, keyId, ownsKey }: SessionRecord, actor: string, nowMs: number): void {
    this.#sessions.delete(id);
    if (ownsKey) this.#keys.end(ledger, keyId, actor, nowMs);
    audit(ledger, nowMs, actor, "session.end", { id });
  }
}

function isAlive(ledger: Ledger, { keyId, expiresAtMs }: SessionRecord, nowMs: number): boolean {
  const key = liveKey(ledger, keyId);
  return expiresAtMs > nowMs && key !== undefined && expiryOf(key, nowMs) === undefined;
}
