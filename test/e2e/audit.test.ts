// `npm run audit` against the whole product, and against servers that bill wrongly.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { main } from "../../scripts/audit/main.ts";
import { call, removeFolder, startTestServer, temporaryFolder } from "../support/dev-server.ts";
import { askOperator, startEdgeUnderTest } from "../support/edge-server.ts";
import type { EdgeUnderTest } from "../support/edge-server.ts";
import { WrongServer } from "../support/wrong-server.ts";
import type { Wrong } from "../support/wrong-server.ts";

const LIMITS = { requests_per_minute: 1_000_000, tokens_per_minute: 1_000_000_000 };
const SEED = "7";

/** Computes nothing: what is audited is the bill. */
let edge: EdgeUnderTest;
const folder = temporaryFolder();

beforeAll(async () => {
  edge = await startEdgeUnderTest(folder, 1);
});
afterAll(async () => {
  await edge.stop();
  removeFolder(folder);
});

type Operated = Pick<EdgeUnderTest, "url" | "adminKey">;

async function newAccount(grantNanoUsd: number, { url, adminKey }: Operated = edge): Promise<string> {
  const { id } = await askOperator(url, adminKey, "POST", "/admin/accounts", { name: "Audited" });
  const grant = { amount_nano_usd: grantNanoUsd, kind: "promo" };
  await askOperator(url, adminKey, "POST", `/admin/accounts/${String(id)}/grants`, grant);
  await askOperator(url, adminKey, "PATCH", `/admin/accounts/${String(id)}`, { limits: LIMITS });
  const scopes = ["embeddings", "rerank", "usage:read"];
  const { key } = await askOperator(url, adminKey, "POST", `/admin/accounts/${String(id)}/keys`, { scopes });
  return String(key);
}

async function audit(url: string, key: string, callsMax: number, ...args: readonly string[]) {
  const said: string[] = [];
  const code = await main(["--url", url, "--key", key, "--seed", SEED, "--concurrency", "8", ...args], {
    say: (line) => void said.push(line),
    environment: {},
    onInterrupt: () => () => undefined,
    settleMs: 300,
    callsMax,
  });
  return { code, said: said.join("\n") };
}

const charged = async (key: string, granted: number): Promise<number> =>
  granted - Number((await call(edge.url, key, "/v1/account")).body["balance_nano_usd"]);

describe("an audit", () => {
  test.concurrent("finds the books right after calls that were repeated, refused, cut off and read slowly", async () => {
    const key = await newAccount(1_000_000_000);
    const { code, said } = await audit(edge.url, key, 200);
    expect(said).toContain("The books fit: $");
    expect(code).toBe(0);
    expect(said).toContain("It may spend $0.02 of the account's $1.");
    const [, served, refused, cut] = /: (\d+) served, (\d+) refused, (\d+) cut off/.exec(said) ?? [];
    expect(Math.min(Number(served), Number(refused), Number(cut))).toBeGreaterThan(0);
    expect(await charged(key, 1_000_000_000)).toBeGreaterThan(0);
  });

  test.concurrent("finds them right with the embedded model behind them", async () => {
    const demoFolder = temporaryFolder();
    const server = await startTestServer(demoFolder);
    const { code, said } = await audit(server.url, await newAccount(1_000_000_000, server), 60);
    await server.stop();
    removeFolder(demoFolder);
    expect(said).toContain("The books fit: $");
    expect(code).toBe(0);
  });

  test.concurrent("finds them right where the credit ends in its middle", async () => {
    const key = await newAccount(20_000);
    const { code, said } = await audit(edge.url, key, 150);
    expect(said).toContain("The books fit");
    expect(code).toBe(0);
    expect(await charged(key, 20_000)).toBeGreaterThan(10_000);
  });

  test("spends no more than it was told", async () => {
    const key = await newAccount(1_000_000_000);
    const { code, said } = await audit(edge.url, key, Infinity, "--max-cost", "0.00002");
    expect(said).toContain("What it may spend is spent");
    expect(code).toBe(0);
    const spent = await charged(key, 1_000_000_000);
    expect(spent).toBeGreaterThan(10_000);
    expect(spent).toBeLessThanOrEqual(20_000);
  });

  test.each([
    [["--minutes", "0"], '--minutes is "0"'],
    [["--key", ""], "--key is missing"],
    [["--max-cost", "much"], '--max-cost is "much"'],
    [["--fast"], "--fast"],
  ])("with %j sends nothing and says how it is called", async (args, words) => {
    const { code, said } = await audit("http://127.0.0.1:1", "gr-key", 1, ...args);
    expect([code, said]).toEqual([2, expect.stringContaining(words)]);
    expect(said).toContain("npm run audit -- --url URL --key KEY");
  });

  test("with a key that is none judges nothing, and says why", async () => {
    const { code, said } = await audit(edge.url, "gr-none", 1);
    expect([code, said]).toEqual([2, expect.stringContaining("Not audited: ")]);
    expect(said).not.toContain("gr-none");
  });
});

describe("a server that", () => {
  const WORDS: Readonly<Record<Wrong, string>> = {
    nothing: "The books fit",
    "charges twice": "more than the answered calls come to",
    "charges nothing": "FAULT lost",
    "charges failures": "more than the answered calls come to",
    "answers dearer than it charges": "by /v1/models",
    "counts too many tokens": "FAULT wrong price",
    "charges repeats": "answers are first answers",
    "answers repeats otherwise": "its answers differ",
    "ignores X-Max-Cost": "had to be refused",
    "overdraws the account": "the balance is -1 nano-USD",
    "shows another charge in the statement": "FAULT books",
    "drops a line of the statement": "FAULT books",
  };
  const wrongs = Object.entries(WORDS) as [Wrong, string][];
  const audited = new Map<Wrong, Awaited<ReturnType<typeof throughWrong>>>();

  async function throughWrong(wrong: Wrong) {
    const proxy = new WrongServer(edge.url, wrong, await newAccount(1_000_000_000));
    const result = await audit(await proxy.start(), await newAccount(1_000_000_000), 60);
    proxy.stop();
    return { ...result, spoilt: proxy.spoilt };
  }

  beforeAll(async () => {
    await Promise.all(wrongs.map(async ([wrong]) => audited.set(wrong, await throughWrong(wrong))));
  });

  test.each(wrongs.filter(([wrong]) => wrong !== "nothing"))("%s is found out: %s", (wrong, words) => {
    const { code, said, spoilt } = audited.get(wrong) ?? {};
    expect(said).toContain(words);
    expect(spoilt).toBeGreaterThan(0);
    expect(code).toBe(1);
  });

  test("does nothing wrong in the same place passes", () => {
    expect(audited.get("nothing")).toMatchObject({ code: 0, spoilt: 0 });
  });
});
