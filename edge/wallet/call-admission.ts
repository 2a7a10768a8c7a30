// One admitted call. It holds its reservation, renews the lease while it runs, and reports once it ends. Each call has
// a timer of its own, because a Worker's timers die with the request that set them.

import { assert } from "../../shared/assert.ts";
import type { CancelSignal } from "../lib/cancel.ts";
import { Cancel } from "../lib/cancel.ts";
import type { Work } from "./lease-types.ts";
import type { Clock, LeaseDriver } from "./lease-driver.ts";
import type { StrictLease } from "./strict-lease.ts";
import type { Rights, StoredAnswer } from "../ledger/types.ts";
import type {
  Admission,
  BoundRequest,
  CallStanding,
  Failure,
  Settlement,
  StrictAdmission,
  StrictRequest,
} from "./wallet-types.ts";

/** A running call checks at least this often whether its lease must be renewed or has ended. */
const WATCH_MS = 5000;
const WATCH_MS_MIN = 500;

export class CallAdmission implements Admission {
  readonly rights: Rights;
  protected readonly driver: LeaseDriver;
  protected readonly work: Work;
  protected readonly clock: Clock;
  protected readonly waitUntil: (work: Promise<unknown>) => void;
  private readonly timer: BoundRequest["timer"];
  private readonly cancel = new Cancel();
  private stopWatching: () => void = () => undefined;

  constructor(driver: LeaseDriver, work: Work, clock: Clock, { waitUntil, timer }: BoundRequest) {
    const { standing } = driver.lease;
    assert(standing !== undefined, "work is admitted under rights");
    this.driver = driver;
    this.work = work;
    this.clock = clock;
    this.waitUntil = waitUntil;
    this.timer = timer;
    this.rights = standing.rights;
    work.onCancel = () => this.cancel.abort();
    this.watch();
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
  private watch(): void {
    const { lease } = this.driver;
    const nowMs = this.clock.nowMs();
    const dueMs = (lease.dueAtMs(nowMs) ?? lease.leaseEndMs) - nowMs;
    this.stopWatching = this.after(Math.min(WATCH_MS, Math.max(WATCH_MS_MIN, dueMs)), () => {
      lease.lapse(this.clock.nowMs());
      if (this.work.state !== "running") return;
      this.driver.flushLater(this.waitUntil);
      this.watch();
    });
  }

  private after(ms: number, ring: () => void): () => void {
    if (this.timer !== undefined) return this.timer.after(ms, ring);
    const { done, cancel } = this.clock.sleep(ms);
    void done.then(ring);
    return cancel;
  }
}

/** A call with an `Idempotency-Key`: its own lease, and one transaction at the object for charge and stored answer. */
export class StrictCallAdmission extends CallAdmission implements StrictAdmission {
  private readonly lease: StrictLease;
  private readonly step: StrictRequest["idempotency"];
  /** With the call's own charge: no answer follows the last message that would tell of it. */
  private settled: CallStanding | undefined;

  constructor(lease: StrictLease, driver: LeaseDriver, work: Work, clock: Clock, request: StrictRequest) {
    super(driver, work, clock, request);
    this.lease = lease;
    this.step = request.idempotency;
  }

  async commit(settlement: Settlement, stored: StoredAnswer): Promise<"charged" | "lapsed" | "unknown"> {
    if (super.settle(settlement) === "lapsed") return "lapsed";
    const { lease } = this;
    this.settled = super.standing();
    lease.finishWith({ kind: "finish", route: this.step.route, key: this.step.key, stored });
    const answered = await this.driver.roundTrip(this.waitUntil);
    if (!answered) return "unknown";
    return lease.closed && !lease.closedUnknown ? "charged" : "lapsed";
  }

  override standing(): CallStanding {
    return this.settled ?? super.standing();
  }

  override release(failure: Failure): void {
    super.release(failure);
    this.waitUntil(this.driver.roundTrip(this.waitUntil, true));
  }

  /** Gives the lease back and leaves no trace in the usage. For a call that the key's rights refused. */
  drop(): void {
    this.lease.discard(this.work);
    this.waitUntil(this.driver.roundTrip(this.waitUntil, true));
  }
}
