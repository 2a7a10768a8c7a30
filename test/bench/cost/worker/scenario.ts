// Traffic of one account through real wallets to a real object, counted: requests, object calls, and what they took.

import { LeaseWallet, WALLET_SETTINGS } from "../../../../edge/wallet/wallet.ts";
import type { AccountStub, SecretHash } from "../../../../edge/ledger/types.ts";
import type { AdmitRequest, Settlement } from "../../../../edge/wallet/wallet-types.ts";
import { encodeBase62 } from "../../../../shared/base62.ts";
import type { ParsedKey } from "../../../../shared/keys.ts";
import { costNanoUsd } from "../../../../shared/money.ts";
import { Random } from "../../../sim/random.ts";
import type { VirtualTime } from "../../../sim/virtual-time.ts";

export const MODEL = "owner/model";
/** The request that the cost table is about: one text of 200 tokens, about 4.5 bytes a token. */
export const TOKENS = 200;
const BOUND_TOKENS = 901;
const PRICE_NANO_USD_PER_MILLION = 8_000_000;
const CALL_MS = 40;
/** 2,560 dimensions of two bytes. */
const VECTOR_BYTES = 5120;

export interface Scenario {
  readonly isolates: number;
  readonly seconds: number;
  /** Mean pause between two requests of the account, over all isolates; exponential, or exact with `even`. */
  readonly everyMs: number;
  readonly even: boolean;
  /** Every request has an `Idempotency-Key` of its own. */
  readonly idempotent?: boolean;
}

export interface Traffic {
  readonly time: VirtualTime;
  readonly key: ParsedKey;
  readonly hashes: readonly SecretHash[];
  readonly stub: () => AccountStub;
}

export interface Counted {
  readonly requests: number;
  readonly objectCalls: number;
  /** Requests that had to wait for an object call before they could start. */
  readonly waited: number;
}

export async function runScenario(scenario: Scenario, traffic: Traffic): Promise<Counted> {
  const { time } = traffic;
  let objectCalls = 0;
  let waited = 0;
  const wallets = Array.from({ length: scenario.isolates }, () => walletOf(traffic, () => (objectCalls += 1)));
  const random = new Random(7);
  const endMs = time.nowMs() + scenario.seconds * 1000;
  let requests = 0;
  for (let atMs = time.nowMs() + 1; atMs < endMs; atMs += pauseMs(scenario, random)) {
    await time.passTo(atMs);
    const wallet = wallets[random.below(wallets.length)];
    if (wallet === undefined) break;
    const before = objectCalls;
    const admitted = (): void => {
      waited += objectCalls > before ? 1 : 0;
    };
    void (scenario.idempotent === true
      ? strictCall(wallet, traffic, requests, admitted)
      : oneCall(wallet, traffic, admitted));
    requests += 1;
  }
  await time.passTo(endMs + 60_000);
  return { requests, objectCalls, waited };
}

const cost = (tokens: number) => costNanoUsd([{ tokens, priceNanoUsdPerMillion: PRICE_NANO_USD_PER_MILLION }]);

async function oneCall(wallet: LeaseWallet, { time, key }: Traffic, admitted: () => void): Promise<void> {
  const result = await wallet.admit(requestOf(key));
  if (result.kind === "refused") throw new Error(`refused: ${JSON.stringify(result.refusal)}`);
  admitted();
  await time.sleep(CALL_MS).done;
  result.admission.settle(SETTLEMENT);
}

async function strictCall(
  wallet: LeaseWallet,
  { time, key }: Traffic,
  request: number,
  admitted: () => void,
): Promise<void> {
  const idempotency = { route: "/v1/embeddings", key: `request-${request}`, bodyHash: "00".repeat(32) };
  const result = await wallet.admitStrict({ ...requestOf(key), idempotency });
  if (result.kind !== "admitted") throw new Error(result.kind);
  admitted();
  await time.sleep(CALL_MS).done;
  const outcome = await result.admission.commit(SETTLEMENT, { meta: "{}", vectors: new Uint8Array(VECTOR_BYTES) });
  if (outcome !== "charged") throw new Error(outcome);
}

function requestOf(key: ParsedKey): AdmitRequest {
  return {
    key,
    scope: "embeddings",
    model: MODEL,
    ip: "203.0.113.7",
    tier: "interactive",
    boundTokens: BOUND_TOKENS,
    boundNanoUsd: cost(BOUND_TOKENS),
    leastNanoUsd: cost(1),
    exact: () => Promise.resolve({ tokens: TOKENS, nanoUsd: cost(TOKENS) }),
    waitUntil: () => undefined,
  };
}

const SETTLEMENT: Settlement = {
  model: MODEL,
  tokens: TOKENS,
  cachedTokens: 0,
  costNanoUsd: cost(TOKENS),
  savedNanoUsd: cost(0),
  latencyMs: CALL_MS,
};

function walletOf({ time, hashes, stub }: Traffic, count: () => void): LeaseWallet {
  return new LeaseWallet({
    stubOf: () => ({
      sync: (message) => {
        count();
        return time.during(stub().sync(message));
      },
    }),
    hashesOf: () => Promise.resolve(hashes),
    newLeaseId: () => encodeBase62(crypto.getRandomValues(new Uint8Array(10))),
    clock: time,
    settings: WALLET_SETTINGS,
  });
}

function pauseMs({ everyMs, even }: Scenario, random: Random): number {
  if (even) return everyMs;
  return Math.max(1, Math.round(-Math.log((random.next() + 1) / 2 ** 32) * everyMs));
}
