// What others may call of a batch's Durable Object. The bindings name this, not the class: the class runs batches with all
// of the Worker behind it, which needs the bindings.

import type { BatchOrder, BatchSnapshot } from "./batch-types.ts";

export interface BatchCalls extends Rpc.DurableObjectBranded {
  start(order: BatchOrder): Promise<void>;
  view(): BatchSnapshot | undefined;
  cancel(): Promise<BatchSnapshot | undefined>;
  forget(): Promise<void>;
}
