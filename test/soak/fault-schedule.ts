// The soak's faults: one after the other, each for a while on one backend or on both, with calm in between. The order
// is drawn from the seed, every kind comes once before any comes again.

import type { Fault, FakeBackendServer } from "../support/fake-backend-server.ts";

/** Beside what a fake backend does by itself: the process dies and comes back; a new revision is rolled out. */
type Happening = Exclude<Fault, "none"> | "killed" | "slow" | "new revision";

const HAPPENINGS: readonly Happening[] = [
  "killed",
  "hangs",
  "hangs, /ready too",
  "resets",
  "garbage",
  "wrong count",
  "wrong revision",
  "half a frame",
  "damaged frame",
  "503",
  "slow",
  "new revision",
];
const FAULT_MS = 4000;
const CALM_MS = 3000;
const SLOW_MS = 800;

export interface FaultLog {
  current: string;
  happened: number;
}

/** Runs faults until `isOver`, then leaves every backend well. */
export async function runFaults(
  backends: readonly FakeBackendServer[],
  random: () => number,
  isOver: () => boolean,
  log: FaultLog,
): Promise<void> {
  let waiting: Happening[] = [];
  let revision = 1;
  while (!isOver()) {
    await pause(CALM_MS, isOver);
    if (isOver()) break;
    if (waiting.length === 0) waiting = [...HAPPENINGS].sort(() => random() - 0.5);
    const happening = waiting.pop() ?? "killed";
    const both = random() < 0.25;
    const hit = both ? backends : backends.slice(0, 1);
    log.current = `${happening}${both ? ", both" : ""}`;
    log.happened += 1;
    if (happening === "new revision") {
      revision = (revision % 9) + 1;
      // Rolled: one first, the other after a while.
      for (const backend of backends) {
        backend.revision = String(revision).repeat(16);
        await pause(FAULT_MS / 2, isOver);
      }
    } else {
      await begin(hit, happening);
      await pause(FAULT_MS, isOver);
      await end(hit);
    }
    log.current = "calm";
  }
  await end(backends);
}

async function begin(
  backends: readonly FakeBackendServer[],
  happening: Exclude<Happening, "new revision">,
): Promise<void> {
  for (const backend of backends) {
    if (happening === "killed") await backend.stop();
    else if (happening === "slow") backend.delayMs += SLOW_MS;
    else backend.fault = happening;
  }
}

/** Well again; calls that hang are broken off, as a restart would. */
async function end(backends: readonly FakeBackendServer[]): Promise<void> {
  for (const backend of backends) {
    backend.fault = "none";
    backend.delayMs = backend.delayMs >= SLOW_MS ? backend.delayMs - SLOW_MS : backend.delayMs;
    await backend.stop();
    await backend.start();
  }
}

async function pause(ms: number, isOver: () => boolean): Promise<void> {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs && !isOver()) await new Promise((resolve) => setTimeout(resolve, 100));
}
