// GET /admin/stats: sums over all accounts as last reported, and how old the reports are.

import * as z from "zod";
import type { Context } from "../../context.ts";
import { readStats } from "../../directory/stats.ts";
import { amountNanoUsd, count, seconds, unixSeconds } from "../answers.ts";
import type { Route } from "../route.ts";
import { formatUsd, nanoUsd } from "../../../shared/money.ts";

export const STATS: Route = {
  method: "get",
  path: "/admin/stats",
  id: "adminStats",
  tag: "Operator",
  summary: "Sums over all accounts",
  description: "As last reported: every few hours, and when the operator reads an account.",
  auth: "operator",
  answers: {
    200: {
      description: "Sums, and how old the oldest report is.",
      name: "Stats",
      schema: z.object({
        object: z.literal("stats"),
        accounts: z.object({ active: count, suspended: count, deleted: count }),
        charged_usd: z.string(),
        charged_nano_usd: amountNanoUsd,
        written_off_nano_usd: amountNanoUsd,
        lost_bound_nano_usd: amountNanoUsd,
        reported_at: z.object({ oldest: z.nullable(unixSeconds), newest: z.nullable(unixSeconds) }),
        wants: z.array(z.object({ model: z.string(), count })),
      }),
      example: {
        object: "stats",
        accounts: { active: 1, suspended: 0, deleted: 0 },
        charged_usd: "0",
        charged_nano_usd: 0,
        written_off_nano_usd: 0,
        lost_bound_nano_usd: 0,
        reported_at: { oldest: null, newest: null },
        wants: [],
      },
    },
  },
  handler: getStats,
};

async function getStats(c: Context): Promise<Response> {
  const stats = await readStats(c.env.DIRECTORY);
  return c.json({
    object: "stats",
    accounts: stats.accounts,
    charged_usd: formatUsd(nanoUsd(stats.chargedNanoUsd)),
    charged_nano_usd: stats.chargedNanoUsd,
    written_off_nano_usd: stats.writtenOffNanoUsd,
    lost_bound_nano_usd: stats.lostBoundNanoUsd,
    reported_at: {
      oldest: seconds(stats.oldestReportMs ?? undefined),
      newest: seconds(stats.newestReportMs ?? undefined),
    },
    wants: stats.wants,
  });
}
