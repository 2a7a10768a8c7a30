// What a soak's end is judged by. Pure.

export interface Finding {
  readonly what: string;
  readonly isGood: boolean;
}

export interface MemorySample {
  readonly atS: number;
  readonly mib: number;
}

/** Growth over the judged part of a run that counts as flat: V8's heap breathes by about as much. */
export const GROWTH_MIB_MAX = 32;
/** The first part of a run warms caches and compiles code: it is not judged. */
const WARM_UP_SHARE = 0.4;

/** MiB per minute by the median of all pairs' slopes (Theil and Sen): a single peak does not move it. */
export function slopeOf(samples: readonly MemorySample[]): number {
  const slopes = samples.flatMap((from, index) =>
    samples.slice(index + 1).map((to) => ((to.mib - from.mib) / (to.atS - from.atS)) * 60),
  );
  slopes.sort((a, b) => a - b);
  return slopes[slopes.length >> 1] ?? 0;
}

export function judgeMemory(all: readonly MemorySample[]): Finding {
  const last = all.at(-1)?.atS ?? 0;
  const judged = all.filter(({ atS }) => atS >= last * WARM_UP_SHARE);
  const minutes = (last * (1 - WARM_UP_SHARE)) / 60;
  const slope = slopeOf(judged);
  const peak = Math.max(...all.map(({ mib }) => mib));
  return {
    what: `memory of workerd: slope ${slope.toFixed(2)} MiB/min over the last ${minutes.toFixed(1)} min (${judged.length} samples), peak ${peak.toFixed(0)} MiB`,
    isGood: judged.length > 2 && slope * minutes < GROWTH_MIB_MAX,
  };
}

export interface Books {
  readonly granted: number;
  readonly charged: number;
  readonly writtenOff: number;
  readonly balance: number;
  readonly held: number;
  /** Sum of the usage API's costs. */
  readonly usage: number;
}

/** `expected`: what the answers said; undefined where nobody read them. All nano-USD. */
export function judgeBooks(name: string, books: Books, expected: number | undefined): readonly Finding[] {
  const { granted, charged, writtenOff, balance, held, usage } = books;
  return [
    {
      what: `${name}: charged ${charged} nano-USD${expected === undefined ? "" : `, answers said ${expected}`}`,
      isGood: expected === undefined || charged === expected,
    },
    {
      what: `${name}: granted ${granted} − charged ${charged} = balance ${balance}`,
      isGood: granted - charged === balance,
    },
    { what: `${name}: usage adds up to ${usage}`, isGood: usage === charged },
    { what: `${name}: held ${held}, written off ${writtenOff}`, isGood: held === 0 && writtenOff === 0 },
  ];
}
