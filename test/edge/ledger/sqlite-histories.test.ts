// The simulation's histories over the real SQLite of a Durable Object: transactions that roll back, bindings, types.

import { env, runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { SqliteStorage } from "../../../edge/account/sqlite-storage.ts";
import { Stopped } from "../../sim/memory-storage.ts";
import type { StoppableStorage } from "../../sim/memory-storage.ts";
import { REAL, describe, planOf, runPlan } from "../../sim/run.ts";

const PLANS = 80;
const FIRST_SEED = 100_000;

/** The real storage, which can be made to stop before a write. */
class StoppableSqlite extends SqliteStorage implements StoppableStorage {
  stopAfterWrites: number | undefined;

  protected override write(query: string, ...bindings: SqlStorageValue[]): number {
    if (this.stopAfterWrites === 0) {
      this.stopAfterWrites = undefined;
      throw new Stopped("the machine stopped before a write");
    }
    if (this.stopAfterWrites !== undefined) this.stopAfterWrites -= 1;
    return super.write(query, ...bindings);
  }
}

test("the simulation's histories keep every invariant in SQLite", async () => {
  const stub = env.ACCOUNT.get(env.ACCOUNT.idFromName("histories"));
  const failure = await runInDurableObject(stub, async (_object, state) => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + PLANS; seed += 1) {
      await state.storage.deleteAll();
      const rig = { ...REAL, storage: () => new StoppableSqlite(state.storage, () => undefined) };
      const error = runPlan(planOf(seed), rig);
      if (error !== undefined) return describe({ seed, keep: planOf(seed).steps.map((_, at) => at), error });
    }
    return undefined;
  });
  expect(failure).toBeUndefined();
});
