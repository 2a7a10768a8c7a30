// The tool that says what is left and what was used, from the account's own figures.

import * as z from "zod";
import { answered, toolResult } from "./api-call.ts";
import { formatUsd, nanoUsd } from "../../shared/money.ts";
import { integer } from "../../shared/schemas/fields.ts";
import { takes } from "./tool-input.ts";
import type { Tools } from "./tool-input.ts";

const DAYS_MAX = 90;
const DAYS = 30;
const DAY_S = 86_400;

const usd = z.string().describe("USD, as text: exact.");
const accountSchema = z.object({ balance_usd: usd, spendable_usd: usd, spent_this_month_usd: usd });
const usageSchema = z.object({
  data: z.array(
    z.object({
      results: z.array(
        z.object({
          model: z.nullable(z.string()),
          requests: z.int(),
          input_tokens: z.int(),
          cached_tokens: z.int(),
          cost_nano_usd: z.int(),
        }),
      ),
    }),
  ),
});

interface Total {
  readonly model: string;
  readonly requests: number;
  readonly input_tokens: number;
  readonly cached_tokens: number;
  readonly cost_usd: string;
}

export function registerUsageTool(tools: Tools): void {
  const { server, api } = tools;
  server.registerTool(
    "usage",
    {
      title: "Credit and usage",
      description:
        "The credit that is left, and what each model was used for in the last days (UTC, today included). Needs a key with the scope `usage:read`.",
      inputSchema: takes(
        tools,
        z.strictObject({ days: integer(1, DAYS_MAX).describe(`Default: ${DAYS}.`).default(DAYS) }),
      ),
      outputSchema: accountSchema.extend({
        days: z.int(),
        models: z.array(
          z.object({
            model: z.string(),
            requests: z.int(),
            input_tokens: z.int(),
            cached_tokens: z.int(),
            cost_usd: usd,
          }),
        ),
      }),
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    async ({ days }) => {
      const account = await answered(await api("/v1/account"), accountSchema);
      if (account.kind === "refused") return account.result;
      const start = (Math.floor(Date.now() / 1000 / DAY_S) - days + 1) * DAY_S;
      const path = `/v1/usage?bucket_width=1d&group_by=model&limit=${days}&start_time=${start}`;
      const usage = await answered(await api(path), usageSchema);
      if (usage.kind === "refused") return usage.result;
      return toolResult({
        ...account.value,
        days,
        models: totalsOf(usage.value.data.flatMap(({ results }) => results)),
      });
    },
  );
}

/** Sums are made of nano-USD, which are exact. */
function totalsOf(results: z.infer<typeof usageSchema>["data"][number]["results"]): readonly Total[] {
  const names = new Set(results.flatMap(({ model }) => (model === null ? [] : [model])));
  return [...names].map((name) => {
    const own = results.filter(({ model }) => model === name);
    const sum = (field: "requests" | "input_tokens" | "cached_tokens" | "cost_nano_usd") =>
      own.reduce((total, result) => total + result[field], 0);
    return {
      model: name,
      requests: sum("requests"),
      input_tokens: sum("input_tokens"),
      cached_tokens: sum("cached_tokens"),
      cost_usd: formatUsd(nanoUsd(sum("cost_nano_usd"))),
    };
  });
}
