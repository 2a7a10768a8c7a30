// One admitted call: it holds its reservation, keeps the lease behind it alive while it runs (each call has its own
// timer, because a Worker's timers live in the request that set them), and reports once it ends.

import { assert } from "../../shared/assert.ts";
import type { CancelSignal } from "../lib/cancel.ts";
import { Cancel } from "../lib/cancel.ts";
import type { Work } from "./lease-types.ts";
import type { Clock, LeaseDriver } from "./lease-driver.ts";
import type { StrictLease } from "./strict-lease.ts";
import type { Rights, StoredAnswer } from "../ledger/types.ts";
import type { Admission, CallStanding, Failure, Settlement, StrictAdmission, StrictRequest } from "./wallet-types.ts";

/** How long a running call goes without looking whether its lease wants renewing, or has ended. */
const WATCH_MS = 5000;
const WATCH_MS_MIN = 500;

export class CallAdmission implements Admission {
  readonly rights: Rights;
  protected readonly driver: LeaseDriver;
  protected readonly work: Work;
  protected readonly clock: Clock;
  protected readonly waitUntil: (work: Promise<unknown>) => void;
  private readonly cancel = new Cancel();
  private stopWatching: () => void = () => undefined;

  constructor(driver: LeaseDriver, work: Work, clock: Clock, waitUntil: (work: Promise<unknown>) => void) {
    const { standing } = driver.lease;
    assert(standing !== undefined, "work is admitted under rights");
    this.driver = driver;
    this.work = work;
    this.clock = clock;
    this.waitUntil = waitUntil;
    this.rights = standing.rights;
    work.onCancel = () => this.cancel.abort();
    void this.watch();
    driver.flushLater(waitUntil);
  }

  get signal(): CancelSignal {
    return this.cancel;
  }

  standing(): CallStanding {
    return this.driver.lease.callStanding(this.clock.nowMs());
  }

  settle(settlement: Settlement): "charged" | "lapsed" {
    this.stopWatching();
    const outcome = this.driver.lease.settle(this.work, settlement, this.clock.nowMs());
    this.driver.flushLater(this.waitUntil);
    return outcome;
  }

  release(failure: Failure): void {
    this.stopWatching();
    this.driver.lease.release(this.work, failure, this.clock.nowMs());
    this.driver.flushLater(this.waitUntil);
  }

  /** Renews the lease while the call runs, and cancels the call when the lease ends. */
  private async watch(): Promise<void> {
    const { lease } = this.driver;
    while (this.work.state === "running") {
      const nowMs = this.clock.nowMs();
      const dueMs = (lease.dueAtMs(nowMs) ?? lease.leaseEndMs) - nowMs;
      const timer = this.clock.sleep(Math.min(WATCH_MS, Math.max(WATCH_MS_MIN, dueMs)));
      this.stopWatching = timer.cancel;
      await timer.done;
      lease.lapse(this.clock.nowMs());
      if (this.work.state === "running") this.driver.flushLater(this.waitUntil);
    }
  }
}

/** The strict path: one lease, one call; charge and stored answer in one transaction at the object. */
export class StrictCallAdmission extends CallAdmission implements StrictAdmission {
  private readonly lease: StrictLease;
  private readonly step: StrictRequest["idempotency"];

  constructor(lease: StrictLease, driver: LeaseDriver, work: Work, clock: Clock, request: StrictRequest) {
    super(driver, work, clock, request.waitUntil);
    this.lease = lease;
    this.step = request.idempotency;
  }

  async commit(settlement: Settlement, stored: StoredAnswer): Promise<"charged" | "lapsed" | "unknown"> {
    if (super.settle(settlement) === "lapsed") return "lapsed";
    const { lease } = this;
    lease.finishWith({ kind: "finish", route: this.step.route, key: this.step.key, stored });
    const answered = await this.driver.roundTrip(this.waitUntil);
    if (!answered) return "unknown";
    return lease.closed && !lease.closedUnknown ? "charged" : "lapsed";
  }

  override release(failure: Failure): void {
    super.release(failure);
    this.waitUntil(this.driver.roundTrip(this.waitUntil, true));
  }

  /** Gives the lease back without a trace in the usage: the call was refused by its rights. */
  drop(): void {
    this.lease.discard(this.work);
    this.waitUntil(this.driver.roundTrip(this.waitUntil, true));
  }
}
