// One job at a time in a folder, and nobody is kept out by a dead one.

import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { afterAll, expect, test } from "vitest";
import { takeJobLock } from "../../../scripts/embed/job-lock.ts";
import { TestJob } from "./job.ts";

const job = new TestJob("");
afterAll(() => job.remove());
let locks = 0;
const path = () => job.path(`lock-${(locks += 1)}`);

test("a second job is told who holds it, and gets it once the first has ended", async () => {
  const file = path();
  const first = await takeJobLock(file, { beatMs: 50, silentMs: 5000 });
  await expect(takeJobLock(file)).rejects.toThrow(`process ${process.pid} on ${hostname()}`);
  first.release();
  expect(existsSync(file)).toBe(false);
  (await takeJobLock(file)).release();
});

test("the lock of a process of this machine that is gone is taken at once", async () => {
  const file = path();
  const { pid } = spawnSync(process.execPath, ["-e", ""]);
  writeFileSync(file, `dead ${hostname()} ${pid} 3`);
  (await takeJobLock(file, { beatMs: 1000, silentMs: Number.POSITIVE_INFINITY })).release();
});

test("one of another machine, when it has been silent for long", async () => {
  const file = path();
  writeFileSync(file, "dead elsewhere 1 3");
  (await takeJobLock(file, { beatMs: 100, silentMs: 150 })).release();
});

test("who slept for too long learns that the lock is another's, and does not remove it", async () => {
  const file = path();
  const lock = await takeJobLock(file);
  writeFileSync(file, "another elsewhere 1 0");
  expect(() => lock.check()).toThrow("taken this folder over");
  lock.release();
  expect(existsSync(file)).toBe(true);
});
