// GET /admin/stats: sums over all accounts, as last reported, with how old the reports are.

import type { Context } from "../context.ts";
import { readStats } from "../directory/stats.ts";
import { seconds } from "./answers.ts";
import { formatUsd, nanoUsd } from "../../shared/money.ts";

export async function getStats(c: Context): Promise<Response> {
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
