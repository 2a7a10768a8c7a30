// The Worker of the cost bench: runs one scenario per request and answers what it counted.

import { nanoUsd } from "../../../../shared/money.ts";
import { newId } from "../../../../shared/ids.ts";
import { importHmacKey } from "../../../../shared/hmac.ts";
import { parseKey } from "../../../../shared/keys.ts";
import { Peppers } from "../../../../edge/keys/secret-hash.ts";
import type { SyncMessage } from "../../../../edge/ledger/types.ts";
import { BenchAccount, NaiveAccount, clock } from "./objects.ts";
import { MODEL, TOKENS, runScenario } from "./scenario.ts";
import type { Scenario, Traffic } from "./scenario.ts";
import { VirtualTime } from "../../../sim/virtual-time.ts";

export { BenchAccount, NaiveAccount };

interface BenchEnv {
  readonly ACCOUNT: DurableObjectNamespace<BenchAccount>;
  readonly NAIVE: DurableObjectNamespace<NaiveAccount>;
  readonly KEY_TAG_SECRET: string;
  readonly KEY_PEPPER: string;
}

const CREDIT = 1_000_000_000_000;
const NAIVE_REQUESTS = 200;
const ZERO = { nanoUsd: nanoUsd(0), requests: 0, tokens: 0 };

// oxlint-disable-next-line import/no-default-export -- a Worker's entry
export default {
  async fetch(request: Request, env: BenchEnv): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/scenario") return Response.json(await scenario(env, await request.json<Scenario>()));
    if (pathname === "/naive") return Response.json(await naive(env));
    if (pathname === "/commits") return Response.json(await commits(env, await request.json<CommitsTask>()));
    if (pathname === "/cpu") return Response.json(await cpu(env, await request.json<CpuTask>()));
    return new Response("unknown", { status: 404 });
  },
};

interface Opened extends Omit<Traffic, "time"> {
  readonly text: string;
  readonly account: () => DurableObjectStub<BenchAccount>;
}

async function open(env: BenchEnv, nowMs: () => number): Promise<Opened> {
  clock.nowMs = nowMs;
  const id = newId("account");
  const account = () => env.ACCOUNT.get(env.ACCOUNT.idFromName(id));
  await account().setUp(
    { accountId: id, name: "Bench" },
    { id: "credit", kind: "paid", amountNanoUsd: nanoUsd(CREDIT) },
    "bench",
  );
  await account().setLimits({ requestsPerMinute: 1_000_000, tokensPerMinute: 1_000_000_000 }, "bench");
  const created = await account().createKey(id, { name: "bench", scopes: ["embeddings"], cache: "standard" }, "bench");
  if (typeof created !== "object" || !("key" in created)) throw new Error("no key");
  const key = await parseKey(created.key, [await importHmacKey(env.KEY_TAG_SECRET)]);
  if (key === undefined) throw new Error("no key");
  return {
    text: created.key,
    key,
    hashes: await new Peppers([env.KEY_PEPPER]).hashes(key.secret),
    stub: account,
    account,
  };
}

async function scenario(env: BenchEnv, task: Scenario): Promise<object> {
  const time = new VirtualTime(Date.now());
  const { account, ...traffic } = await open(env, () => time.nowMs());
  const before = await account().operations();
  const counted = await runScenario(task, { ...traffic, time });
  const after = await account().operations();
  const books = await account().getAccount();
  return {
    ...counted,
    rows: after.rowsWritten - before.rowsWritten,
    commits: after.commits - before.commits,
    chargedAll: books?.chargedNanoUsd === counted.requests * TOKENS * 8,
  };
}

async function naive(env: BenchEnv): Promise<object> {
  const stub = env.NAIVE.get(env.NAIVE.idFromName("naive"));
  const before = await stub.rows();
  for (let call = 0; call < NAIVE_REQUESTS; call += 1) {
    await stub.reserve(`call-${call}`, 7208);
    await stub.settle(`call-${call}`, 7208, 1600);
  }
  return { requests: NAIVE_REQUESTS, rows: (await stub.rows()) - before, objectCalls: 2 * NAIVE_REQUESTS };
}

interface CpuTask {
  readonly part: "nothing" | "key" | "wallet";
  readonly times: number;
}

/**
 * The work of one part, `times` times in a row on one thread: the caller takes the time, because a Worker's clock stands
 * still meanwhile. "wallet" is admission, charge and every report that follows from them, the object's side included.
 */
async function cpu(env: BenchEnv, { part, times }: CpuTask): Promise<object> {
  const time = new VirtualTime(Date.now());
  const { account, text, ...traffic } = await open(env, () => time.nowMs());
  const tagKey = await importHmacKey(env.KEY_TAG_SECRET);
  if (part === "key") for (let turn = 0; turn < times; turn += 1) await parseKey(text, [tagKey]);
  if (part !== "wallet") return {};
  await runScenario(
    { isolates: 1, seconds: (times * CPU_EVERY_MS) / 1000, everyMs: CPU_EVERY_MS, even: true },
    { ...traffic, time },
  );
  return { charged: (await account().getAccount())?.chargedNanoUsd };
}

const CPU_EVERY_MS = 20;

interface CommitsTask {
  readonly isolates: number;
  readonly rounds: number;
  readonly alone: boolean;
}

/** All isolates report at the same moment, `rounds` times; each report charges, so each must be durable. */
async function commits(env: BenchEnv, { isolates, rounds, alone }: CommitsTask): Promise<object> {
  const { hashes, account } = await open(env, () => Date.now());
  const stub = account();
  const epochs: string[] = [];
  for (let isolate = 0; isolate < isolates; isolate += 1) {
    const answer = await stub.sync(message(`s${isolate}`, 1, hashes, undefined));
    if (answer.kind !== "renewed" || answer.epoch === undefined) throw new Error(answer.kind);
    epochs.push(answer.epoch);
  }
  const startedMs = Date.now();
  for (let round = 0; round < rounds; round += 1) {
    const reports = epochs.map((epoch, isolate) => message(`s${isolate}`, round + 2, hashes, epoch));
    await Promise.all(reports.map((report) => (alone ? stub.syncAlone(report) : stub.sync(report))));
  }
  return { syncs: isolates * rounds, ms: Date.now() - startedMs };
}

function message(leaseId: string, seq: number, secret: SyncMessage["secret"], epoch: string | undefined): SyncMessage {
  const nano = nanoUsd((seq - 1) * 8);
  const unit = { nanoUsd: nanoUsd(8), requests: 1, tokens: 1 };
  const line = {
    model: MODEL,
    tier: "interactive" as const,
    minute: Math.floor(Date.now() / 60_000),
    requests: 1,
    tokens: 1,
    cachedTokens: 0,
    costNanoUsd: nanoUsd(8),
    savedNanoUsd: nanoUsd(0),
    errors4xx: 0,
    errors5xx: 0,
    latency: { 20: 1 },
  };
  return {
    session: leaseId,
    seq,
    ...(epoch === undefined ? {} : { epoch }),
    secret,
    spent: { nanoUsd: nano, requests: seq - 1, tokens: seq - 1 },
    lines: seq === 1 ? [] : [line],
    keep: ZERO,
    runningNanoUsd: nanoUsd(0),
    waitingNanoUsd: nanoUsd(0),
    want: { min: unit, least: unit, target: unit, unit },
  };
}
