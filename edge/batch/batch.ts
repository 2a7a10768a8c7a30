// A batch's Durable Object, named by the batch's id. It works through the input file slice by slice, driven by alarms,
// so that a restart continues where it stopped. It exists while the batch runs; the account's library keeps the ended
// batch.

import { DurableObject } from "cloudflare:workers";
import type { Env } from "../bindings.ts";
import { ACCOUNT_DELETED } from "../lib/ends-itself.ts";
import type { BatchCalls } from "../files/batch-calls.ts";
import { batchPorts } from "./batch-ports.ts";
import { BatchStore } from "./batch-store.ts";
import type { Step } from "./batch-work.ts";
import { BatchWork } from "./batch-work.ts";
import { isEnded, newBatch, snapshotOf } from "./snapshot.ts";
import type { BatchOrder, BatchSnapshot } from "../files/batch-types.ts";

/** How long one alarm works before it sets the next: far below the limits of one invocation. */
const ALARM_WORK_MS = 20_000;
/**
 * If an alarm ends without setting the next one (a crash), work continues after this. An alarm that still works then is
 * not disturbed: it replaces this time when it ends.
 */
const FALLBACK_MS = 3000;

export class BatchObject extends DurableObject<Env> implements BatchCalls {
  private readonly store: BatchStore;
  private work: BatchWork | undefined;
  private working: Promise<void> | undefined;
  private cancelArrived = false;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.store = new BatchStore(ctx.storage);
  }

  /** Begins the batch. A second call has no effect. */
  async start(order: BatchOrder): Promise<void> {
    if (this.store.get() !== undefined) return;
    this.store.put(newBatch(order));
    await this.ctx.storage.setAlarm(order.createdAtMs);
  }

  /** Undefined: not begun, or ended and handed to the library. */
  view(): BatchSnapshot | undefined {
    const state = this.open()?.state;
    return state === undefined ? undefined : snapshotOf(state);
  }

  /** Ends the batch after the running slice. No effect on a batch that is ending already. */
  async cancel(): Promise<BatchSnapshot | undefined> {
    const work = this.open();
    if (work === undefined) return undefined;
    if (!isEnded(work.state.status)) {
      work.cancel();
      this.cancelArrived = true;
      await this.ctx.storage.setAlarm(Date.now());
    }
    return snapshotOf(work.state);
  }

  /** Stops at once and deletes everything: the account is being deleted. */
  async forget(): Promise<void> {
    await this.store.deleteAll();
    await this.ctx.storage.sync();
    this.ctx.abort(ACCOUNT_DELETED);
  }

  override async alarm(): Promise<void> {
    // A second alarm joins the first while that one still works.
    this.working ??= this.workOn();
    try {
      await this.working;
    } finally {
      this.working = undefined;
    }
  }

  private async workOn(): Promise<void> {
    const work = this.open();
    if (work === undefined) return;
    await this.ctx.storage.setAlarm(Date.now() + FALLBACK_MS);
    const untilMs = Date.now() + ALARM_WORK_MS;
    let step: Step;
    do step = await work.step();
    while (step.kind === "again" && !this.store.isClosed && Date.now() < untilMs);
    if (this.store.isClosed) return;
    if (step.kind === "ended") {
      await this.store.deleteAll();
      this.work = undefined;
      return;
    }
    // A cancel that arrived during the last step must not wait out that step's delay.
    const delayMs = step.kind === "later" && !this.cancelArrived ? step.delayMs : 0;
    this.cancelArrived = false;
    await this.ctx.storage.setAlarm(Date.now() + delayMs);
  }

  private open(): BatchWork | undefined {
    if (this.work !== undefined) return this.work;
    const state = this.store.get();
    if (state === undefined) return undefined;
    const waitUntil = (promise: Promise<unknown>): void => this.ctx.waitUntil(promise);
    this.work = new BatchWork(state, this.store, batchPorts(this.env, state.order.accountId, waitUntil));
    return this.work;
  }
}
