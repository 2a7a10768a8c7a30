// The Worker whose account objects live `LATER_MS` later than the machine: for e2e tests of what hours change.

import worker, { AccountObject as Present } from "../../../edge/worker.ts";

export * from "../../../edge/worker.ts";

export class AccountObject extends Present {
  protected override nowMs(): number {
    return super.nowMs() + Number(Reflect.get(this.env, "LATER_MS"));
  }
}

// oxlint-disable-next-line import/no-default-export -- The runtime's entry point.
export default worker;
