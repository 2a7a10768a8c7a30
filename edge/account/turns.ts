// Turns of the account's ledger, as its object runs them: in the object's time, for a key or not, and with syncs that
// arrive within a millisecond committed together, because each commit is one fdatasync. Every part of the object is
// given this, and nothing else of the object.

import { isRefused, judgeActor } from "../keys/acting-key.ts";
import type { Acting, Actor, Refused } from "../keys/acting-key.ts";
import { AccountCore } from "../ledger/account-core.ts";
import type { Ledger, NewAccount } from "../ledger/ledger.ts";
import { DEFAULT_SETTINGS } from "../ledger/settings.ts";
import type { SyncAnswer, SyncMessage } from "../ledger/types.ts";
import { encodeBase62 } from "../../shared/base62.ts";
import type { SqliteStorage } from "./sqlite-storage.ts";

/** Syncs that arrive within it are committed together. */
const COLLECT_MS = 1;

interface Waiting {
  readonly message: SyncMessage;
  readonly answer: (answer: SyncAnswer) => void;
  readonly fail: (error: unknown) => void;
}

export class Turns {
  readonly storage: SqliteStorage;
  /** Unix ms. */
  readonly nowMs: () => number;
  /** `commits`: groups of syncs that were committed together. */
  readonly done = { syncs: 0, commits: 0 };
  readonly #core: AccountCore;
  readonly #afterTurn: () => void;
  #waiting: Waiting[] = [];

  /** `afterTurn` runs after every turn that may have changed the books. */
  constructor(storage: SqliteStorage, nowMs: () => number, afterTurn: () => void) {
    this.storage = storage;
    this.nowMs = nowMs;
    this.#core = new AccountCore(storage, DEFAULT_SETTINGS, newIncarnation);
    this.#afterTurn = afterTurn;
  }

  /** Undefined: the account was never set up. */
  turn<Result>(work: (ledger: Ledger, nowMs: number) => Result): Result | undefined {
    const result = this.inner(work);
    this.#afterTurn();
    return result;
  }

  /** A turn on behalf of `by`. A key is judged in that turn, so that a key that has ended changes nothing. */
  act<Result>(
    by: Actor,
    work: (ledger: Ledger, nowMs: number, acting: Acting) => Result,
  ): Result | Refused | undefined {
    return this.turn((ledger, nowMs) => {
      const acting = judgeActor(ledger, by, nowMs);
      return isRefused(acting) ? acting : work(ledger, nowMs, acting);
    });
  }

  /** A turn that `afterTurn` does not follow: for `afterTurn` itself, and for housekeeping. */
  inner<Result>(work: (ledger: Ledger, nowMs: number) => Result): Result | undefined {
    const nowMs = this.nowMs();
    return this.#core.turn(nowMs, (ledger) => work(ledger, nowMs));
  }

  /** Sets the account up unless it exists; `first` runs in the same turn. Returns whether the account is new. */
  setUp(account: NewAccount, first: (ledger: Ledger, nowMs: number) => void): boolean {
    const nowMs = this.nowMs();
    return this.#core.setUp(account, nowMs, (ledger) => first(ledger, nowMs));
  }

  sync(message: SyncMessage): Promise<SyncAnswer> {
    return new Promise((answer, fail) => {
      this.#waiting.push({ message, answer, fail });
      if (this.#waiting.length === 1) setTimeout(() => this.#commitWaiting(), COLLECT_MS);
    });
  }

  /** Commits one message by itself. */
  commitAlone(one: Waiting): void {
    try {
      this.#commit([one]);
    } catch (error) {
      one.fail(error);
    }
  }

  /** Drops the ledger in memory, because what is stored changed under it. */
  forget(): void {
    this.#core.forget();
    this.storage.forget();
  }

  #commitWaiting(): void {
    const group = this.#waiting;
    this.#waiting = [];
    try {
      this.#commit(group);
    } catch (error) {
      // One message that breaks an assertion must not fail the others: nothing was written, so each is committed by
      // itself.
      if (group.length === 1) group[0]?.fail(error);
      else for (const one of group) this.commitAlone(one);
    }
    this.#afterTurn();
  }

  #commit(group: readonly Waiting[]): void {
    this.done.syncs += group.length;
    this.done.commits += 1;
    const answers = this.#core.sync(
      group.map(({ message }) => message),
      this.nowMs(),
    );
    for (const [index, { answer }] of group.entries()) {
      const given = answers[index];
      if (given !== undefined) answer(given);
    }
  }
}

/** 40 random bits: two instances of one object share them with a chance of one in a million millions. */
function newIncarnation(): string {
  return encodeBase62(crypto.getRandomValues(new Uint8Array(5)));
}
