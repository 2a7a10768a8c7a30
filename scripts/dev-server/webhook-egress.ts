// Sends webhooks from one's own machine. Cloudflare's fetch reaches only the public internet, but here a public name
// may resolve into the machine's network (https://10.0.0.1.nip.io/). So each name is resolved first, all its addresses
// must be public, and the connection uses one of those checked addresses, whatever the name resolves to a moment later.

import { lookup as resolveName } from "node:dns";
import type { LookupAddress } from "node:dns";
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";

const ANSWER_MS = 10_000;
const LOOPBACK = "127.0.0.1";

/** The part of a request that we need: Miniflare's class differs from Node's. */
export interface Outgoing {
  readonly url: string;
  readonly method: string;
  readonly headers: Iterable<[name: string, value: string]>;
  arrayBuffer(): Promise<ArrayBuffer>;
}

type Resolve = (name: string, done: (error: Error | null, addresses: LookupAddress[]) => void) => void;

const resolveAll: Resolve = (name, done) => resolveName(name, { all: true }, done);

/** Whether an address belongs to the public internet. */
export function isPublicAddress(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === "unicast";
}

/** A `lookup` for sockets that fails for a name with any address that is not public. */
export function publicLookup(resolve: Resolve = resolveAll): LookupFunction {
  return (name, options, done) => {
    resolve(name, (error, addresses) => {
      const [first] = addresses ?? [];
      const isRefused = first === undefined || !addresses.every(({ address }) => isPublicAddress(address));
      const failure = error ?? (isRefused ? new Error("the name resolves to an address that is not public") : null);
      if (failure !== null || first === undefined) done(failure, "", 0);
      else if (options.all === true) done(null, addresses);
      else done(null, first.address, first.family);
    });
  };
}

/**
 * Makes one call for the Worker's WEBHOOK_EGRESS and returns the status. The Worker has checked the target
 * (edge/notices/target.ts): it is a name, or in development http://127.0.0.1. The answer's body is not read. Rejects if
 * the target cannot or must not be reached.
 */
export async function callPublic(request: Outgoing, lookup: LookupFunction = publicLookup()): Promise<number> {
  const url = new URL(request.url);
  const body = Buffer.from(await request.arrayBuffer());
  const headers = { ...Object.fromEntries(request.headers), host: url.host, "content-length": String(body.length) };
  const isLoopback = url.protocol === "http:" && url.hostname === LOOPBACK;
  const options = { method: request.method, headers, timeout: ANSWER_MS, ...(isLoopback ? {} : { lookup }) };
  return new Promise((answered, failed) => {
    const call = (isLoopback ? requestHttp : requestHttps)(url, options, (response) => {
      response.destroy();
      answered(response.statusCode ?? 0);
    });
    call.once("timeout", () => call.destroy(new Error("no answer")));
    call.once("error", failed);
    call.end(body);
  });
}
