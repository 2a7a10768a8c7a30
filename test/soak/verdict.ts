// What a soak's end is judged by. Pure.

export interface Finding {
  readonly what: string;
  readonly isGood: boolean;
}

export interface MemorySample {
  readonly atS: number;
  readonly mib: number;
}

/** Growth of the floor between the two halves of the judged part that counts as flat. */
const GROWTH_MIB_MAX = 32;
/** A shorter run is all warm-up: its memory is shown, not judged. */
const JUDGED_S_MIN = 290;
/** The first part of a run warms caches and compiles code: it is not judged. */
const WARM_UP_SHARE = 0.4;

/** MiB per minute by the median of all pairs' slopes (Theil and Sen): a single peak does not move it. */
function slopeOf(samples: readonly MemorySample[]): number {
  const slopes = samples.flatMap((from, index) =>
    samples.slice(index + 1).map((to) => ((to.mib - from.mib) / (to.atS - from.atS)) * 60),
  );
  slopes.sort((a, b) => a - b);
  return slopes[slopes.length >> 1] ?? 0;
}

/**
 * V8 collects when it likes: resident memory is a saw. Its lowest points are what is really held, so the floor of the
 * last part is set against the floor of the part before; the slope of all samples is stated beside it.
 */
export function judgeMemory(all: readonly MemorySample[]): Finding {
  const last = all.at(-1)?.atS ?? 0;
  const from = last * WARM_UP_SHARE;
  const judged = all.filter(({ atS }) => atS >= from);
  const middle = (from + last) / 2;
  const floorOf = (samples: readonly MemorySample[]): number => Math.min(...samples.map(({ mib }) => mib));
  const before = floorOf(judged.filter(({ atS }) => atS < middle));
  const after = floorOf(judged.filter(({ atS }) => atS >= middle));
  const peak = Math.max(...all.map(({ mib }) => mib));
  const isShort = last < JUDGED_S_MIN;
  return {
    what: `memory of workerd${isShort ? ", not judged below five minutes" : ""}: floor ${before.toFixed(0)}, then ${after.toFixed(0)} MiB, slope ${slopeOf(judged).toFixed(2)} MiB/min over the last ${((last - from) / 60).toFixed(1)} min (${judged.length} samples), peak ${peak.toFixed(0)} MiB`,
    isGood: isShort || after - before < GROWTH_MIB_MAX,
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

/**
 * workerd's own notices of clients that abandon their calls: of a promise whose request has ended (no call and no charge
 * was ever lost to it), and, with its stack, of a connection that broke while it was written to.
 */
const EXPECTED_LOG =
  /^Warning: A promise was resolved or rejected from a different request context|^workerd\/server\/server\.c\+\+:\d+: error: .*disconnected: |^stack: \S*workerd@/;

/** What the Worker says of the faults that are made on purpose: a backend that is lost, and calls that none could serve. */
const EXPECTED_EVENT = /^\{"level":"error","event":(?:"backend_down",|"request",.*"status":503,)/;

export function judgeLogs(chunks: readonly string[]): Finding {
  const all = chunks.flatMap((chunk) => chunk.split("\n")).filter((line) => line.trim() !== "");
  const lines = all.filter((line) => !EXPECTED_EVENT.test(line));
  const others = lines.filter((line) => !EXPECTED_LOG.test(line));
  const shown = others.slice(0, 5).map((line) => `\n        ${line.slice(0, 500)}`);
  return {
    what: `the Worker logged ${all.length - lines.length} lines of lost backends and ${others.length} others, and workerd ${lines.length - others.length} of clients that had gone${shown.join("")}`,
    isGood: others.length === 0,
  };
}
