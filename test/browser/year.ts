// A year of usage of a hundred keys as GET /v1/usage answers it: for the question whether the dashboard stays usable.

const DAY_S = 86_400;

export interface YearQuery {
  readonly startS: number;
  readonly endS: number;
  readonly isByKey: boolean;
  readonly isByModel: boolean;
  readonly keyIds: readonly string[];
}

/** The body of the answer; figures are made from day and key alone. */
export function yearOfUsage({ startS, endS, isByKey, isByModel, keyIds }: YearQuery): object {
  const data = [];
  for (let startTime = Math.floor(startS / DAY_S) * DAY_S; startTime < endS; startTime += DAY_S) {
    const day = startTime / DAY_S;
    const groups = isByKey
      ? keyIds
      : isByModel
        ? ["boboliu/Qwen3-Embedding-4B-W4A16-G128", "gigarouter/demo-embedding"]
        : [null];
    const results = groups.map((group, place) => resultOf(group, isByKey, day, place));
    data.push({ object: "bucket", start_time: startTime, end_time: startTime + DAY_S, results });
  }
  return { object: "page", data, has_more: false, next_page: null, fresh_as_of: endS };
}

function resultOf(group: string | null, isByKey: boolean, day: number, place: number): object {
  const weekend = day % 7 < 2 ? 0.35 : 1;
  const requests = Math.round((900 + 300 * Math.sin(day / 20) + 60 * ((day * 7 + place * 13) % 11)) * weekend);
  const tokens = requests * 210;
  const cached = Math.round(tokens * (0.2 + 0.1 * Math.sin(day / 9)));
  return {
    model: isByKey ? null : group,
    key_id: isByKey ? group : null,
    tier: null,
    requests,
    input_tokens: tokens,
    cached_tokens: cached,
    cost_nano_usd: tokens * 8 - cached * 4,
    saved_nano_usd: cached * 4,
    errors: { "4xx": Math.round(requests / 150), "5xx": day % 30 === 0 ? 12 : 0 },
    latency_ms: { p50: 38 + 6 * Math.sin(day / 5), p95: 120 + 40 * Math.sin(day / 8), p99: 300 },
  };
}
