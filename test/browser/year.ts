// A year of usage of a hundred keys as GET /v1/usage answers it: for the question whether the dashboard stays usable.
// Groups add up to the ungrouped answer, as the ledger's do.

const DAY_S = 86_400;
const MODELS = ["boboliu/Qwen3-Embedding-4B-W4A16-G128", "gigarouter/demo-embedding"];

/** The answer to `query`, with the keys of the account under test. */
export function yearOfUsage(query: URLSearchParams, keyIds: readonly string[]): object {
  const endS = Number(query.get("end_time"));
  const groupBy = query.get("group_by");
  const groups = groupBy === "key" ? keyIds : groupBy === "model" ? MODELS : [null];
  const weights = groups.map((_, place) => 1 / (place + 1));
  const whole = weights.reduce((sum, weight) => sum + weight, 0);
  const data = [];
  for (
    let startS = Number(query.get("start_time"));
    startS < endS;
    startS = nextStart(startS, query.get("bucket_width"))
  ) {
    const end = nextStart(startS, query.get("bucket_width"));
    const requests = requestsBetween(startS, Math.min(end, endS));
    const results = groups.map((group, place) => ({
      model: groupBy === "model" ? group : null,
      key_id: groupBy === "key" ? group : null,
      tier: null,
      ...figures((requests * (weights[place] ?? 0)) / whole, startS / DAY_S),
    }));
    data.push({ object: "bucket", start_time: startS, end_time: end, results });
  }
  return { object: "page", data, has_more: false, next_page: null, fresh_as_of: endS };
}

function nextStart(startS: number, width: string | null): number {
  if (width !== "1mo") return startS + DAY_S;
  const date = new Date(startS * 1000);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1) / 1000;
}

/** Quiet weekends, a slow wave over the year. */
function requestsBetween(startS: number, endS: number): number {
  let requests = 0;
  for (let day = Math.floor(startS / DAY_S); day * DAY_S < endS; day += 1) {
    const weekend = (day + 4) % 7 < 2 ? 0.35 : 1;
    requests += (90_000 + 30_000 * Math.sin(day / 20) + 6000 * ((day * 7) % 11)) * weekend;
  }
  return requests;
}

function figures(share: number, day: number): object {
  const requests = Math.round(share);
  const tokens = requests * 210;
  const cached = Math.round(tokens * (0.2 + 0.1 * Math.sin(day / 9)));
  return {
    requests,
    input_tokens: tokens,
    cached_tokens: cached,
    cost_nano_usd: tokens * 8 - cached * 4,
    saved_nano_usd: cached * 4,
    errors: { "4xx": Math.round(requests / 60), "5xx": Math.floor(day) % 30 === 0 ? Math.round(requests / 20) : 0 },
    latency_ms: { p50: 38 + 6 * Math.sin(day / 5), p95: 120 + 40 * Math.sin(day / 8), p99: 300 },
  };
}
