// What Cloudflare charges, in USD, beyond what a plan includes (developers.cloudflare.com, Workers, Durable Objects and
// KV pricing, read in November 2026), and what one request of each kind then costs.

export const PRICES = {
  workerRequest: 0.3e-6,
  workerCpuMs: 0.02e-6,
  objectRequest: 0.15e-6,
  objectGbS: 12.5e-6,
  rowWritten: 1e-6,
  kvRead: 0.5e-6,
  kvWrite: 5e-6,
} as const;

/** An object is billed for 128 MB while it is active. Idle and able to hibernate, it is not billed. */
const OBJECT_GB = 0.128;
/** Assumed, because the local clock cannot tell: CPU of a whole request. A full millisecond more costs $0.02. */
export const ASSUMED_CPU_MS = 1;

export interface Operations {
  readonly requests: number;
  readonly objectCalls: number;
  readonly rows: number;
  readonly kvReads?: number;
  readonly kvWrites?: number;
}

export interface CostLine {
  readonly calls: number;
  readonly rows: number;
  readonly gbSPerMillion: number;
  readonly worker: number;
  readonly object: number;
  readonly storage: number;
  readonly kv: number;
  readonly total: number;
}

/** USD per 1M requests. `activeMs`: what one object call keeps the object active, measured. */
export function costOf(
  { requests, objectCalls, rows, kvReads = 0, kvWrites = 0 }: Operations,
  activeMs: number,
): CostLine {
  const perMillion = (count: number) => (count / requests) * 1e6;
  const gbSPerMillion = (perMillion(objectCalls) * activeMs * OBJECT_GB) / 1000;
  const worker = 1e6 * (PRICES.workerRequest + ASSUMED_CPU_MS * PRICES.workerCpuMs);
  const object = perMillion(objectCalls) * PRICES.objectRequest + gbSPerMillion * PRICES.objectGbS;
  const storage = perMillion(rows) * PRICES.rowWritten;
  const kv = perMillion(kvReads) * PRICES.kvRead + perMillion(kvWrites) * PRICES.kvWrite;
  return {
    calls: objectCalls / requests,
    rows: rows / requests,
    gbSPerMillion,
    worker,
    object,
    storage,
    kv,
    total: worker + object + storage + kv,
  };
}
