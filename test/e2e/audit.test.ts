// `npm run audit` against the whole product, and against servers that bill wrongly.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { main } from "../../scripts/audit/main.ts";
import { SURFACES } from "../../scripts/audit/surfaces.ts";
import { call, removeFolder, startTestServer, temporaryFolder } from "../support/dev-server.ts";
import { askOperator, startEdgeUnderTest } from "../support/edge-server.ts";
import type { EdgeUnderTest } from "../support/edge-server.ts";
import { WrongServer } from "../support/wrong-server.ts";
import type { Wrong } from "../support/wrong-server.ts";

const LIMITS = { requests_per_minute: 1_000_000, tokens_per_minute: 1_000_000_000 };
const SEED = "7";

/** Audits of wrong servers that run at once: enough to fill the pauses of each. */
const AT_ONCE = 6;
const CREDIT_NANO_USD = 1_000_000_000;

const CALLS = ["embeddings", "similarity", "rerank", "ollama", "tei", "cohere", "gemini", "migrate", "mcp"];
/** What a server does wrong, where, how many calls find it out, and in which words. */
const WRONGS: readonly (readonly [Wrong, readonly string[], number, string])[] = [
  ["charges twice", [...CALLS, "streams"], 8, "more than the answered calls come to"],
  ["charges nothing", ["embeddings"], 8, "FAULT lost"],
  ["charges failures", ["embeddings", "mcp"], 8, "more than the answered calls come to"],
  ["answers dearer than it charges", ["embeddings", "tei", "mcp", "streams", "batches"], 6, "FAULT"],
  ["counts too many tokens", ["embeddings", "ollama", "streams"], 8, "FAULT wrong price"],
  ["charges repeats", ["embeddings"], 30, "answers are first answers"],
  ["answers repeats otherwise", ["embeddings"], 30, "its answers differ"],
  ["ignores X-Max-Cost", ["embeddings"], 30, "had to be refused"],
  ["charges what is resumed", ["streams"], 6, "more than the answered calls come to"],
  ["runs a batch twice", ["batches"], 3, "more than the answered calls come to"],
  ["makes a batch anew for a repeat", ["batches"], 6, "made two batches"],
  ["hides a line of a batch", ["batches"], 3, "do not stand once in the two files"],
  ["overdraws the account", ["embeddings"], 3, "the balance is -1 nano-USD"],
  ["shows another charge in the statement", ["embeddings"], 4, "FAULT books"],
  ["drops a line of the statement", ["embeddings"], 4, "FAULT books"],
];
const cases = WRONGS.flatMap(([wrong, surfaces, calls, words]) =>
  surfaces.map((surface) => ({ wrong, surface, calls, words })),
);

/** Computes nothing: what is audited is the bill. */
let edge: EdgeUnderTest;
const folder = temporaryFolder();

beforeAll(async () => {
  edge = await startEdgeUnderTest(folder, 2);
  const [, other] = edge.backends;
  // A second revision, for reports of both.
  if (other !== undefined) other.revision = "2".repeat(16);
});
afterAll(async () => {
  await edge.stop();
  removeFolder(folder);
});

type Operated = Pick<EdgeUnderTest, "url" | "adminKey">;

const SCOPES = ["embeddings", "rerank", "batches", "usage:read"];

async function newAccount(
  grantNanoUsd: number,
  { url, adminKey }: Operated = edge,
  scopes: readonly string[] = SCOPES,
): Promise<string> {
  const { id } = await askOperator(url, adminKey, "POST", "/admin/accounts", { name: "Audited" });
  const grant = { amount_nano_usd: grantNanoUsd, kind: "promo" };
  await askOperator(url, adminKey, "POST", `/admin/accounts/${String(id)}/grants`, grant);
  await askOperator(url, adminKey, "PATCH", `/admin/accounts/${String(id)}`, { limits: LIMITS });
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
    const key = await newAccount(CREDIT_NANO_USD);
    const { code, said } = await audit(edge.url, key, 120);
    expect(said).toContain("The books fit: $");
    expect(code).toBe(0);
    expect(said).toContain("It may spend $0.02 of the account's $1.");
    const [, served, refused, cut] = /: (\d+) served, (\d+) refused, (\d+) cut off/.exec(said) ?? [];
    expect(Math.min(Number(served), Number(refused), Number(cut))).toBeGreaterThan(0);
    for (const surface of SURFACES) expect(said).toMatch(new RegExp(`${surface} [1-9]`));
    expect(await charged(key, CREDIT_NANO_USD)).toBeGreaterThan(0);
  });

  test.concurrent("finds them right with the embedded model behind them", async () => {
    const demoFolder = temporaryFolder();
    const server = await startTestServer(demoFolder);
    const { code, said } = await audit(server.url, await newAccount(CREDIT_NANO_USD, server), 30);
    await server.stop();
    removeFolder(demoFolder);
    expect(said).toContain("The books fit: $");
    expect(said).toContain("migrate is left out: ");
    expect(code).toBe(0);
  });

  test.concurrent("finds them right where the credit ends in its middle", async () => {
    const key = await newAccount(20_000);
    const { code, said } = await audit(edge.url, key, 100);
    expect(said).toContain("The books fit");
    expect(code).toBe(0);
    expect(await charged(key, 20_000)).toBeGreaterThan(10_000);
  });

  test("spends no more than it was told", async () => {
    const key = await newAccount(CREDIT_NANO_USD);
    const { code, said } = await audit(edge.url, key, Infinity, "--max-cost", "0.00002");
    expect(said).toContain("What it may spend is spent");
    expect(code).toBe(0);
    const spent = await charged(key, CREDIT_NANO_USD);
    expect(spent).toBeGreaterThan(10_000);
    expect(spent).toBeLessThanOrEqual(20_000);
  });

  test("leaves out by name what the key may not do", async () => {
    const key = await newAccount(CREDIT_NANO_USD, edge, ["embeddings", "usage:read"]);
    const { code, said } = await audit(edge.url, key, 20, "--only", "rerank,batches,tei,mcp");
    expect(said).toContain("Driven: tei, mcp.");
    expect(said).toContain("rerank is left out: the key lacks the scope `rerank`.");
    expect(said).toContain("batches is left out: the key lacks the scope `batches`.");
    expect(code).toBe(0);
    const none = await audit(edge.url, key, 1, "--only", "batches");
    expect([none.code, none.said]).toEqual([2, expect.stringContaining("Not audited: nothing is left to drive.")]);
  });

  test.each([
    [["--minutes", "0"], '--minutes is "0"'],
    [["--key", ""], "--key is missing"],
    [["--max-cost", "much"], '--max-cost is "much"'],
    [["--only", "images"], '--only has "images"'],
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
  const audited = new Map<unknown, Awaited<ReturnType<typeof throughWrong>>>();
  let otherKey: string;

  async function throughWrong(wrong: Wrong, surfaces: string, calls: number) {
    const proxy = new WrongServer(edge.url, wrong, otherKey);
    const result = await audit(
      await proxy.start(),
      await newAccount(CREDIT_NANO_USD),
      calls,
      "--only",
      surfaces,
      "--concurrency",
      "3",
    );
    proxy.stop();
    return { ...result, spoilt: proxy.spoilt };
  }

  beforeAll(async () => {
    otherKey = await newAccount(CREDIT_NANO_USD);
    const waiting = [...cases];
    const work = async (): Promise<void> => {
      for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
        audited.set(one, await throughWrong(one.wrong, one.surface, one.calls));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  });

  test.each(cases)("$wrong is found out where it serves $surface: $words", (one) => {
    const { code, said, spoilt } = audited.get(one) ?? {};
    expect(said).toContain(one.words);
    expect(spoilt).toBeGreaterThan(0);
    expect(code).toBe(1);
  });

  test("does nothing wrong in the same place passes", async () => {
    const right = await throughWrong("nothing", SURFACES.join(","), 60);
    expect(right.said).toContain("The books fit: $");
    expect(right).toMatchObject({ code: 0, spoilt: 0 });
  });
});
