import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";

import { type WorkLock, withWorkLock } from "../../../gpu-backend/storage/work-lock.ts";

const scratch = mkdtempSync(join(tmpdir(), "lock-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const timing = { beatMs: 4, silentMs: 200 };
let files = 0;
const newPath = () => join(mkdtempSync(join(scratch, "root-")), `${(files += 1)}.lock`);

describe("work that several starts share", () => {
  it("is done by one at a time, however long one takes, and nothing of the lock is left", async () => {
    const path = newPath();
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      inside += 1;
      most = Math.max(most, inside);
      // Longer than the silence after which a holder without a beat counts as gone.
      for (const end = performance.now() + timing.silentMs * 1.5; performance.now() < end;)
        await new Promise(setImmediate);
      inside -= 1;
    };
    await Promise.all([1, 2, 3].map(() => withWorkLock(path, work, { timing })));
    expect(most).toBe(1);
    expect(readdirSync(join(path, ".."))).toEqual([]);
  });

  it("goes on after a holder that was killed, whose token it tells, by one of those who waited", async () => {
    const path = newPath();
    writeFileSync(path, "0123456789abcdef 7");
    const locks: WorkLock[] = [];
    const take = (lock: WorkLock): Promise<void> => {
      locks.push(lock);
      return Promise.resolve();
    };
    let waits = 0;
    const onWait = (): void => void (waits += 1);
    await Promise.all([1, 2, 3].map(() => withWorkLock(path, take, { timing, onWait })));
    expect(waits).toBe(3);
    expect(locks.filter(({ deadToken }) => deadToken === "0123456789abcdef")).toHaveLength(1);
    expect(new Set(locks.map(({ token }) => token)).size).toBe(3);
  });

  it("leaves the lock of another alone, when it was taken from a holder that slept", async () => {
    const path = newPath();
    await withWorkLock(path, () => Promise.resolve(writeFileSync(path, "another 1")), { timing });
    expect(existsSync(path)).toBe(true);
  });

  it("fails as the work fails, and frees the lock", async () => {
    const path = newPath();
    const failing = withWorkLock(path, () => Promise.reject(new Error("no")), { timing });
    await expect(failing).rejects.toThrow("no");
    expect(await withWorkLock(path, () => Promise.resolve(5), { timing })).toBe(5);
  });
});
