// Whatever happens during a batch, its answer, its two files, the account's usage and the charge agree to the
// nano-dollar, and every line of the input is in exactly one of the files.

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { listedModels } from "../../../edge/models/models.ts";
import { apiError } from "../../../shared/errors.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { MODEL } from "../support/fake-backends.ts";
import { embeddingLine } from "./support.ts";
import type { OutputLine } from "./support.ts";
import { World } from "./world.ts";

type Line = { readonly kind: "good"; readonly letters: number } | { readonly kind: "bad"; readonly body: object };

const line: fc.Arbitrary<Line> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("good" as const), letters: fc.nat(9) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("bad" as const),
      body: fc.constantFrom(
        { input: "" },
        { input: "a", dimensions: 0, encoding_format: "base64" },
        { input: "a", model: `${MODEL}@0`, encoding_format: "base64" },
        { input: "refused" },
        { input: "a", nothing: 1 },
      ),
    }),
  },
);

/** Something that happens while frame number `frame` is computed. */
interface Incident {
  readonly frame: number;
  readonly kind: "nothing" | "cancelled" | "expired" | "revoked" | "price changed" | "model withdrawn" | "backend away";
}

const incident: fc.Arbitrary<Incident> = fc.record({
  frame: fc.nat(3),
  kind: fc.constantFrom(
    "nothing",
    "cancelled",
    "expired",
    "revoked",
    "price changed",
    "model withdrawn",
    "backend away",
  ),
});

const scenario = fc.record({
  lines: fc.array(line, { minLength: 1, maxLength: 14 }),
  incident,
  /** Shrink of the first slice: 10 makes it one line. */
  shrink: fc.integer({ min: 8, max: 10 }),
  missPerMillion: fc.constantFrom(4_000_000, 333_333, 1),
  minimum: fc.constantFrom(0, 7),
  /** Nano-USD: enough for all lines, or for some. */
  credit: fc.oneof(fc.constant(1_000_000), fc.nat(250)),
  caches: fc.boolean(),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer Value> ? Value : never;

async function openWorld({ lines, credit, missPerMillion, minimum, shrink, caches }: Scenario): Promise<World> {
  const texts = lines.map((each, index) =>
    each.kind === "good"
      ? embeddingLine(`${index}`, `t${"x".repeat(each.letters)}`)
      : embeddingLine(`${index}`, undefined, each.body),
  );
  const prices = { missPerMillion, hitPerMillion: Math.floor(missPerMillion / 2), minimumNanoUsd: nanoUsd(minimum) };
  const world = await World.open(credit, texts, prices);
  world.shrink = shrink;
  world.caches = caches;
  return world;
}

function happen(world: World, { kind }: Incident): Promise<unknown> | void {
  switch (kind) {
    case "cancelled":
      return world.work?.cancel();
    case "expired":
      world.nowMs = world.order.expiresAtMs;
      return undefined;
    case "revoked":
      return world.account.stub.revokeKey(world.order.keyId, "test");
    case "price changed":
      world.models = world.models.map((model) => ({
        ...model,
        prices: { ...model.prices, batchPriceNanoUsdPerMillion: 90_000_000 },
      }));
      return undefined;
    case "model withdrawn":
      world.models = listedModels(["another/model"]);
      return undefined;
    case "backend away":
      world.failures = 4;
      throw apiError("backend_unavailable", "away", null, 1);
    default:
      return undefined;
  }
}

/** The total cost and tokens in the output's lines; each cost must match its tokens at the price of the day. */
function sumsOf(world: World, output: readonly OutputLine[]): { cost: number; tokens: number } {
  const { missPerMillion, hitPerMillion, minimumNanoUsd } = world.prices;
  let [cost, tokens] = [0, 0];
  for (const { response } of output) {
    const usage = response?.body["usage"] as {
      readonly prompt_tokens: number;
      readonly prompt_tokens_details: { readonly cached_tokens: number };
      readonly cost: number;
    };
    const { cached_tokens: cached } = usage.prompt_tokens_details;
    const exact = ((usage.prompt_tokens - cached) * missPerMillion + cached * hitPerMillion) / 1e6;
    const own = Math.round(usage.cost * 1e9);
    expect(own).toBe(Math.max(minimumNanoUsd, Math.ceil(exact)));
    cost += own;
    tokens += usage.prompt_tokens;
  }
  return { cost, tokens };
}

async function usageOf(world: World) {
  const nowMs = Date.now();
  const query = {
    startMs: nowMs - 3_600_000,
    endMs: nowMs + 3_600_000,
    width: "1d",
    groupBy: ["tier"],
    limit: 3,
  } as const;
  const page = await world.account.stub.usage(query);
  const rows = page?.buckets.flatMap(({ results }) => results).filter(({ tier }) => tier === "batch") ?? [];
  const sum = (of: (row: (typeof rows)[number]) => number) => rows.reduce((total, row) => total + of(row), 0);
  return {
    requests: sum(({ requests }) => requests),
    cost: sum(({ costNanoUsd }) => costNanoUsd),
    tokens: sum(({ tokens }) => tokens),
    errors: sum(({ errors4xx, errors5xx }) => errors4xx + errors5xx),
  };
}

test("the answer, the output, the error file, the usage and the bill of a batch agree", async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async (given) => {
      const world = await openWorld(given);
      let frames = 0;
      world.onFrame = (words) => {
        if (words.includes("refused")) throw apiError("context_length_exceeded", "too long", "input[0]");
        const isTime = frames === given.incident.frame;
        frames += 1;
        return isTime ? (happen(world, given.incident) as Promise<void> | void) : undefined;
      };
      await world.run([undefined]);

      const { ended } = world;
      if (ended === undefined) throw new Error("it never ended");
      const output = await world.lines(ended.outputFileId);
      const errors = await world.lines(ended.errorFileId);
      const ids = (lines: readonly OutputLine[]) => lines.map((each) => Number(each.custom_id));
      const inOrder = (list: readonly number[]) => list.toSorted((a, b) => a - b);
      expect(ids(output)).toEqual(inOrder(ids(output)));
      expect(ids(errors)).toEqual(inOrder(ids(errors)));
      expect(inOrder([...ids(output), ...ids(errors)])).toEqual(given.lines.map((_, index) => index));
      expect(ended.counts).toEqual({ total: given.lines.length, completed: output.length, failed: errors.length });

      const { cost, tokens } = sumsOf(world, output);
      expect(ended.usage).toMatchObject({ costNanoUsd: cost, tokens });
      const account = await world.account.stub.getAccount();
      expect(account).toMatchObject({ chargedNanoUsd: cost, heldNanoUsd: 0, balanceNanoUsd: given.credit - cost });
      const refused = errors.filter(({ response }) => response !== null).length;
      const isGone = given.incident.kind === "model withdrawn";
      const usage = await usageOf(world);
      expect(usage).toMatchObject({ requests: output.length, cost, tokens });
      // A line whose model is gone has no usage row.
      if (!isGone) expect(usage.errors).toBe(refused);

      const ends = errors.flatMap(({ response }) =>
        response?.status_code === 402 || response?.status_code === 401
          ? [(response.body["error"] as { readonly code: string }).code]
          : [],
      );
      expect(ended.faults.map(({ code }) => code)).toEqual(ends.slice(0, 1));
      if (ends.length > 0 && ended.status !== "cancelled" && ended.status !== "expired") {
        expect(ended.status).toBe("failed");
      }
    }),
    { numRuns: 25 },
  );
});
