// The judge of `npm run audit`, over histories and books that are made up.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Evidence } from "../../../scripts/audit/evidence.ts";
import type {
  Books,
  Broken,
  Figures,
  Line,
  MadeCall,
  Outcome,
  Part,
  PlannedCall,
} from "../../../scripts/audit/history.ts";
import { usageName } from "../../../scripts/audit/history.ts";
import { judge } from "../../../scripts/audit/judge.ts";
import { nanoUsd } from "../../../shared/money.ts";

const MODEL = "owner/model";
const KEY = "key_audit";
const GRANTED = 1_000_000;
const PRICES = { miss: 8_000_000, hit: 4_000_000, minimum: 0 };
const SETTLE_MS = 35_000;

/** A call of `tokens` that are no hits: 8 nano-USD each. */
function planned(tokens: number, more: Partial<PlannedCall> = {}): PlannedCall {
  return {
    surface: "embeddings",
    name: "/v1/embeddings",
    path: "/v1/embeddings",
    model: MODEL,
    tier: "interactive",
    body: "{}",
    headers: {},
    manner: { kind: "whole" },
    form: "own",
    tokens,
    boundNanoUsd: nanoUsd(8 * tokens),
    ...more,
  };
}

function served(
  tokens: number,
  more: { cost?: number; cached?: number; replayed?: boolean; digest?: string } = {},
): Outcome {
  const { cost = 8 * tokens, cached = 0, replayed = false, digest = "d" } = more;
  const usage = { tokens, cachedTokens: cached, costNanoUsd: nanoUsd(cost) };
  return { kind: "served", requestId: "req_1", costNanoUsd: nanoUsd(cost), replayed, body: { digest, usage } };
}

const UNKNOWN: Outcome = { kind: "unknown", why: "the audit left" };

/** One call a second. */
function history(...calls: readonly (readonly [PlannedCall, Outcome])[]): MadeCall[] {
  return calls.map(([call, outcome], index) => ({
    id: index + 1,
    call,
    sentMs: 1000 * index,
    endedMs: 1000 * index + 500,
    outcome,
  }));
}

const figures = (requests: number, tokens: number, costNanoUsd = 8 * tokens): Figures => ({
  requests,
  tokens,
  costNanoUsd,
});

function line(id: string, kind: string, amount: number, after: number): Line {
  const own = kind === "grant" ? { keyId: undefined, model: undefined } : { keyId: KEY, model: MODEL };
  return { id, at: 0, kind, amountNanoUsd: amount, balanceAfterNanoUsd: after, ...own };
}

/** Books that agree with each other, of an account that was charged these figures. */
function books(charged: Figures, atMs: number, writtenOff = 0): Books {
  const balance = GRANTED - charged.costNanoUsd;
  const charge = line("txn_2", "charge", -charged.costNanoUsd, balance);
  const memo = line("txn_3", "write_off", writtenOff, balance);
  return {
    reading: {
      askedMs: atMs,
      answeredMs: atMs + 10,
      balanceNanoUsd: balance,
      heldNanoUsd: 0,
      usage: new Map([[usageName(MODEL, "interactive"), charged]]),
    },
    lines: [
      ...(writtenOff === 0 ? [] : [memo]),
      ...(charged.costNanoUsd === 0 ? [] : [charge]),
      line("txn_1", "grant", GRANTED, GRANTED),
    ],
  };
}

function evidence(made: readonly MadeCall[], end: Books, more: Partial<Evidence> = {}): Evidence {
  return {
    made,
    start: books(figures(0, 0), -100),
    readings: [],
    end,
    keyId: KEY,
    prices: new Map([[MODEL, { interactive: PRICES, batch: PRICES }]]),
    settleMs: SETTLE_MS,
    ...more,
  };
}

const END_MS = 1_000_000;
const kinds = (given: Evidence): string[] => judge(given).map(({ kind }) => kind);
const words = (given: Evidence): string =>
  judge(given)
    .map(({ what }) => what)
    .join("\n");

describe("books are right", () => {
  test("at both ends of the interval that calls of unknown outcome leave, and wrong beyond either", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            tokens: fc.integer({ min: 1, max: 500 }),
            end: fc.constantFrom("served", "unknown", "refused", "unsent"),
          }),
          {
            minLength: 1,
            maxLength: 20,
          },
        ),
        (calls) => {
          const made = history(
            ...calls.map(({ tokens, end }): [PlannedCall, Outcome] => [
              planned(tokens),
              end === "served"
                ? served(tokens)
                : end === "unknown"
                  ? UNKNOWN
                  : end === "refused"
                    ? { kind: "refused", status: 400, code: "x", waitMs: undefined }
                    : { kind: "unsent", why: "x" },
            ]),
          );
          const of = (...ends: readonly string[]): Figures => {
            const own = calls.filter(({ end }) => ends.includes(end));
            return figures(
              own.length,
              own.reduce((sum, { tokens }) => sum + tokens, 0),
            );
          };
          const [least, most] = [of("served"), of("served", "unknown")];
          const booksOf = (at: Figures, by: number, requests = 0): Books =>
            books(figures(at.requests + requests, at.tokens, at.costNanoUsd + by), END_MS);
          expect(kinds(evidence(made, booksOf(least, 0)))).toEqual([]);
          expect(kinds(evidence(made, booksOf(most, 0)))).toEqual([]);
          expect(kinds(evidence(made, booksOf(most, 1)))).toEqual(["overspend"]);
          expect(kinds(evidence(made, booksOf(most, 0, 1)))).toEqual(["double"]);
          expect(kinds(evidence(made, booksOf(least, -1)))).toEqual(["lost"]);
        },
      ),
      { numRuns: 50 },
    );
  });

  test("with what was served and written off, which is in no charge", () => {
    const made = history([planned(10), served(10)]);
    expect(kinds(evidence(made, books(figures(1, 10, 50), END_MS, 30)))).toEqual([]);
    expect(kinds(evidence(made, books(figures(1, 10, 50), END_MS, 29)))).toEqual(["lost"]);
  });

  test("with one charge for all calls under a key, whichever of them was answered", () => {
    const call = planned(10, { idempotencyKey: "k" });
    const made = history(
      [call, UNKNOWN],
      [call, served(10, { replayed: true })],
      [call, served(10, { replayed: true })],
    );
    expect(kinds(evidence(made, books(figures(1, 10), END_MS)))).toEqual([]);
    expect(kinds(evidence(made, books(figures(2, 20), END_MS)))).toEqual(["double"]);
    expect(kinds(evidence(made, books(figures(0, 0), END_MS)))).toEqual(["lost"]);
  });
});

describe("a reading in traffic", () => {
  const made = history([planned(10), served(10)], [planned(20), served(20)], [planned(30), served(30)]);
  const end = books(figures(3, 60), END_MS);
  const at = (charged: Figures, atMs: number) => evidence(made, end, { readings: [books(charged, atMs).reading] });

  test("may be without charges as long as the docs allow, and no longer", () => {
    expect(kinds(at(figures(0, 0), SETTLE_MS + 499))).toEqual([]);
    expect(kinds(at(figures(0, 0), SETTLE_MS + 500))).toEqual(["lost"]);
  });

  test("has no charge of a call that was not sent by then, and the calls around it are named", () => {
    expect(kinds(at(figures(2, 30), 1200))).toEqual([]);
    const faults = judge(at(figures(3, 60), 1200));
    expect(faults.map(({ kind }) => kind)).toEqual(["double"]);
    expect(faults[0]?.calls.map(({ id }) => id)).toEqual([1, 2]);
  });

  test("with less than nothing, or more held than there is, is an overspend", () => {
    const [reading] = [books(figures(3, 60), 5000).reading];
    const balances = (balanceNanoUsd: number, heldNanoUsd: number) =>
      kinds(evidence(made, end, { readings: [{ ...reading, balanceNanoUsd, heldNanoUsd }] }));
    expect(balances(0, 0)).toEqual([]);
    expect(balances(-1, 0)).toEqual(["overspend"]);
    expect(balances(5, 6)).toEqual(["overspend"]);
  });
});

describe("an answer", () => {
  const judged = (call: PlannedCall, outcome: Outcome): string => {
    const cost = outcome.kind === "served" ? (outcome.costNanoUsd ?? 0) : 0;
    const tokens = outcome.kind === "served" ? (outcome.body?.usage?.tokens ?? 0) : 0;
    return words(evidence(history([call, outcome]), books(figures(1, tokens, cost), END_MS)));
  };

  test("costs its tokens by the prices of a miss and a hit, rounded up once", () => {
    const cached = (cost: number, hits: number) => judged(planned(10), served(10, { cost, cached: hits }));
    expect(cached(80, 0)).toBe("");
    expect(cached(68, 3)).toBe("");
    expect(cached(69, 3)).toContain("are 68 by /v1/models");
    expect(cached(67, 3)).toContain("are 68 by /v1/models");
    expect(cached(36, 11)).toContain("11 of 10 tokens were cached");
  });

  test("has the tokens of its quote, and no cost beyond it", () => {
    expect(judged(planned(10), served(9))).toContain("it read 9 tokens, its quote was 10");
    expect(judged(planned(10), served(10, { cost: 88 }))).toContain("its quote was 80");
  });

  test("says the same cost in its body as in its head", () => {
    const outcome = served(10);
    if (outcome.kind !== "served") throw new Error("served");
    expect(judged(planned(10), { ...outcome, costNanoUsd: nanoUsd(72) })).toContain("usage.cost is");
    expect(judged(planned(10), { ...outcome, costNanoUsd: undefined })).toContain("no x-cost-usd");
    expect(judged(planned(10), { ...outcome, body: { digest: "d", usage: undefined } })).toContain("no `usage`");
  });

  test("to what had to be refused is an overspend", () => {
    const call = planned(10, { tokens: undefined, boundNanoUsd: nanoUsd(0), name: "half a body" });
    expect(judged(call, served(10))).toContain("half a body was served, and had to be refused");
    expect(judged(planned(10, { maxCostNanoUsd: nanoUsd(79) }), served(10))).toContain("its X-Max-Cost was 79");
  });

  test("under a key is the first one once, and the same each time", () => {
    const call = planned(10, { idempotencyKey: "k" });
    const twice = (...outcomes: readonly Outcome[]) =>
      words(evidence(history(...outcomes.map((outcome) => [call, outcome] as const)), books(figures(1, 10), END_MS)));
    expect(twice(served(10), served(10, { replayed: true }))).toBe("");
    expect(twice(served(10), served(10))).toContain("2 answers are first answers");
    expect(twice(served(10), served(10, { replayed: true, digest: "e" }))).toContain("its answers differ");
  });
});

describe("a job", () => {
  const bounds = { boundsNanoUsd: [], leastNanoUsd: 0 };
  const stream = planned(30, { job: { kind: "stream", lines: [], pieces: 1, manners: [], ...bounds } });
  const told = (tokens: number, cost = 8 * tokens) => ({ tokens, cachedTokens: 0, costNanoUsd: nanoUsd(cost) });
  const judged = (parts: readonly Part[], cost: number, whole = 30, broken: readonly Broken[] = []) => {
    const body = { digest: "", usage: { tokens: whole }, parts, broken };
    const charged = { least: figures(1, 30, cost), most: figures(3, 30, cost) };
    const outcome = {
      kind: "served",
      requestId: "",
      costNanoUsd: nanoUsd(cost),
      replayed: false,
      charged,
      body,
    } as const;
    return words(evidence(history([stream, outcome]), books(figures(2, 30, cost), END_MS)));
  };
  const right: Part[] = [
    { name: "line 0", tokens: 10, told: told(10) },
    { name: "line 1", tokens: undefined, told: undefined },
    { name: "line 2", tokens: 20, told: told(20) },
  ];
  const changed = (part: Partial<Part>) => right.with(2, { name: "line 2", tokens: 20, told: told(20), ...part });

  test("is each of its lines by quote and price, and their sum", () => {
    expect(judged(right, 240)).toBe("");
    expect(judged(right, 239)).toContain("its lines cost 240");
    expect(judged(right, 240, 29)).toContain("it says 29 tokens, its lines have 30");
    expect(judged(changed({ tokens: 19 }), 240)).toContain("line 2: it read 20 tokens, its quote was 19");
    expect(judged(changed({ told: told(20, 152) }), 232)).toContain("line 2: it cost 152 nano-USD");
    expect(judged(changed({ tokens: undefined }), 240)).toContain("line 2 was answered, and had to fail");
    expect(judged(right, 240, 30, [{ kind: "books", what: "no such line" }])).toBe("no such line");
  });

  test("may have been charged for anything between what its answers told and what they may have kept to themselves", () => {
    const charged = { least: figures(1, 10), most: figures(3, 30) };
    const parts = [{ name: "line 0", tokens: 10, told: { tokens: 10 } }];
    const outcome = { ...served(10), kind: "served", charged, body: { digest: "", usage: {}, parts } } as Outcome;
    const at = (all: Figures) => kinds(evidence(history([stream, outcome]), books(all, END_MS)));
    expect(at(figures(1, 10))).toEqual([]);
    expect(at(figures(3, 30))).toEqual([]);
    expect(at(figures(1, 9, 80))).toEqual(["lost"]);
    expect(at(figures(3, 30, 241))).toEqual(["overspend"]);
    expect(at(figures(4, 30))).toEqual(["double"]);
  });
});

describe("an answer in a form without cached tokens", () => {
  const judged = (cost: number, cache: string | undefined) => {
    const outcome: Outcome = {
      kind: "served",
      requestId: "",
      costNanoUsd: nanoUsd(cost),
      cache,
      replayed: false,
      body: { digest: "", usage: { tokens: 10 } },
    };
    return words(evidence(history([planned(10, { form: "ollama" }), outcome]), books(figures(1, 10, cost), END_MS)));
  };

  test("costs what `x-cache` says, or lies between a hit and a miss", () => {
    expect([judged(80, "miss"), judged(40, "hit"), judged(61, "partial"), judged(61, undefined)]).toEqual([
      "",
      "",
      "",
      "",
    ]);
    expect(judged(79, "miss")).toContain("are 80 by /v1/models");
    expect(judged(41, "hit")).toContain("are 40 by /v1/models");
    expect(judged(39, "partial")).toContain("are 40 to 80 by /v1/models");
  });
});

describe("a statement", () => {
  const made = history([planned(10), served(10)]);
  const right = books(figures(1, 10), END_MS);
  const stated = (...lines: readonly Line[]) => words(evidence(made, { ...right, lines }));
  const grant = line("txn_1", "grant", GRANTED, GRANTED);

  test("adds up line by line, to the balance, and to the usage", () => {
    expect(stated(line("txn_2", "charge", -80, GRANTED - 80), grant)).toBe("");
    expect(stated(line("txn_2", "charge", -80, GRANTED - 81), grant)).toContain("follows from txn_1");
    expect(stated(line("txn_2", "charge", -72, GRANTED - 72), grant)).toContain("behind the newest line, txn_2");
    expect(stated(grant)).toContain("the balance moved by -80 nano-USD, the statement by 0");
    const other = { ...line("txn_2", "charge", -80, GRANTED - 80), keyId: "key_other" };
    expect(stated(other, grant)).toContain("80 nano-USD of usage, but 0 in the statement's charges");
  });
});
