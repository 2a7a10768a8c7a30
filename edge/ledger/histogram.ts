// Latency as counts in logarithmic buckets, four per doubling: a quantile read from them is within 10 % (half a
// bucket), and histograms can be added. Sparse: most cells hold two or three buckets.

const PER_DOUBLING = 4;
/** 2^(80/4) ms = 17 minutes, beyond any deadline. */
const BUCKET_MAX = 80;

export type Histogram = Record<number, number>;

export function latencyBucket(latencyMs: number): number {
  if (!(latencyMs >= 1)) return 0;
  return Math.min(BUCKET_MAX, Math.floor(Math.log2(latencyMs) * PER_DOUBLING) + 1);
}

/** Counts one call of `latencyMs`. */
export function addLatency(into: Histogram, latencyMs: number): void {
  const bucket = latencyBucket(latencyMs);
  into[bucket] = (into[bucket] ?? 0) + 1;
}

/** Adds `from` to `into`. */
export function addHistogram(into: Histogram, from: Readonly<Histogram>): void {
  for (const [bucket, count] of Object.entries(from)) {
    into[Number(bucket)] = (into[Number(bucket)] ?? 0) + count;
  }
}

/** The latency below which `share` (0..1) of the calls stayed, in ms; undefined without calls. */
export function quantileMs(histogram: Readonly<Histogram>, share: number): number | undefined {
  const buckets = Object.entries(histogram)
    .map(([bucket, count]) => [Number(bucket), count] as const)
    .sort(([a], [b]) => a - b);
  const total = buckets.reduce((sum, [, count]) => sum + count, 0);
  let seen = 0;
  for (const [bucket, count] of buckets) {
    seen += count;
    if (seen >= share * total) return bucketMiddleMs(bucket);
  }
  return undefined;
}

function bucketMiddleMs(bucket: number): number {
  return bucket === 0 ? 0.5 : Number((2 ** ((bucket - 0.5) / PER_DOUBLING)).toPrecision(3));
}
