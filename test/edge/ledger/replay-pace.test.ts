// Many repeats of large answers at once must not fill the memory of the account's object.

import { expect, test } from "vitest";
import { AccountCore } from "../../../edge/ledger/account-core.ts";
import { grant } from "../../../edge/ledger/acts.ts";
import { amount } from "../../../edge/ledger/amount.ts";
import { addKey } from "../../../edge/keys/key-acts.ts";
import { StrictLease } from "../../../edge/wallet/strict-lease.ts";
import { REPLAY_BYTES_MAX, ReplayPace } from "../../../edge/ledger/replay-pace.ts";
import { DEFAULT_SETTINGS } from "../../../edge/ledger/settings.ts";
import type { SyncAnswer, SyncMessage } from "../../../edge/ledger/types.ts";
import { IDEMPOTENCY_BYTES_MAX } from "../../../edge/ledger/types.ts";
import { WALLET_SETTINGS } from "../../../edge/wallet/wallet.ts";
import { must } from "../../../shared/assert.ts";
import { newId } from "../../../shared/ids.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { MemoryStorage } from "../../sim/memory-storage.ts";
import { settlement } from "../account/support.ts";

const START_MS = 1_795_000_000_000;
const SECRET = { pepperId: "p", hash: "hash" };
const STEP = { route: "/v1/embeddings", key: "k" };

test("answers are read until the window's bytes are used up, and again in the next window", () => {
  const pace = new ReplayPace();
  expect(pace.isOpen(START_MS)).toBe(true);
  pace.note(REPLAY_BYTES_MAX - 1);
  expect(pace.isOpen(START_MS + 500)).toBe(true);
  pace.note(1);
  expect(pace.isOpen(START_MS + 999)).toBe(false);
  expect(pace.isOpen(START_MS + 1000)).toBe(true);
});

test("a clock that goes back opens a new window", () => {
  const pace = new ReplayPace();
  pace.isOpen(START_MS);
  pace.note(REPLAY_BYTES_MAX);
  expect(pace.isOpen(START_MS - 1)).toBe(true);
});

test("as many repeats as memory allows are answered in one second, the others a second later", () => {
  const core = accountWithFinishedCall();
  const askers = Array.from({ length: 12 }, newAsker);
  const most = REPLAY_BYTES_MAX / IDEMPOTENCY_BYTES_MAX;
  const kinds = core.sync(askers, START_MS).map(kindOf);
  expect(kinds).toEqual([...Array<string>(most).fill("replay"), ...Array<string>(12 - most).fill("running")]);
  expect(core.sync([newAsker()], START_MS + 999).map(kindOf)).toEqual(["running"]);
  expect(core.sync([newAsker()], START_MS + 1000).map(kindOf)).toEqual(["replay"]);
});

test("a key whose isolate died is free when its lease ends, after nine seconds", () => {
  const core = openedAccount();
  expect(core.sync([newAsker()], START_MS).map(kindOf)).toEqual(["begun"]);
  expect(core.sync([newAsker()], START_MS + 8999).map(kindOf)).toEqual(["running"]);
  expect(core.sync([newAsker()], START_MS + 9000).map(kindOf)).toEqual(["begun"]);
});

function kindOf(answer: SyncAnswer): string {
  return answer.kind === "renewed" ? (answer.idempotency?.kind ?? "none") : answer.kind;
}

function strictLease(): StrictLease {
  const terms = { kind: "begin", ...STEP, bodyHash: "body" } as const;
  return new StrictLease([SECRET], WALLET_SETTINGS, () => crypto.randomUUID(), terms);
}

function newAsker(): SyncMessage {
  const lease = strictLease();
  lease.enqueue(amount(800, 1, 100), "owner/model", "interactive", START_MS);
  return lease.compose(START_MS);
}

/** An account with one finished call under the key, whose answer has the largest size. */
function accountWithFinishedCall(): AccountCore {
  const core = openedAccount();
  const lease = strictLease();
  const waiter = lease.enqueue(amount(800, 1, 100), "owner/model", "interactive", START_MS);
  const exchange = () => {
    const message = lease.compose(START_MS);
    lease.receive(message, must(core.sync([message], START_MS)[0], "answer"), START_MS);
  };
  exchange();
  lease.leaveQueue(waiter);
  lease.settle(must(waiter.work, "admitted work"), settlement(50), START_MS);
  const stored = { meta: "{}", vectors: new Uint8Array(IDEMPOTENCY_BYTES_MAX) };
  lease.finishWith({ kind: "finish", ...STEP, stored });
  exchange();
  expect(lease.closed).toBe(true);
  return core;
}

function openedAccount(): AccountCore {
  const core = new AccountCore(new MemoryStorage(), DEFAULT_SETTINGS, () => "life");
  core.setUp({ accountId: newId("account"), name: "Test" }, START_MS, (ledger) => {
    grant(ledger, { id: "g", kind: "paid", amountNanoUsd: nanoUsd(1e9) }, "test", START_MS);
    const terms = { name: "key", scopes: ["embeddings" as const], cache: "standard" as const };
    addKey(ledger, { id: newId("key"), prefix: "gr-…", secret: SECRET, terms }, "test", START_MS);
  });
  return core;
}
