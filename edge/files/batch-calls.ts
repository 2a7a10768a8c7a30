// The calls that others make to a batch's Durable Object. The bindings use this type and not the class, because the
// class imports most of the Worker, which imports the bindings.

import type { BatchOrder, BatchSnapshot } from "./batch-types.ts";

export interface BatchCalls extends Rpc.DurableObjectBranded {
  start(order: BatchOrder): Promise<void>;
  view(): BatchSnapshot | undefined;
  cancel(): Promise<BatchSnapshot | undefined>;
  forget(): Promise<void>;
}
