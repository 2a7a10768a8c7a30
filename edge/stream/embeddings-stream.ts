// `POST /v1/embeddings` with lines in and lines out (docs/streams.md): checked, then answered by a Stream.

import type { Context } from "../context.ts";
import { clientAddress, waitUntilOf } from "../context.ts";
import { embeddings } from "../endpoints/embeddings.ts";
import { refusedError } from "../metering/refusals.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { Stream } from "./stream.ts";
import { readStreamTerms } from "./stream-terms.ts";

/** Throws ApiError for what fails before the first frame is charged. */
export async function embeddingsStream(c: Context): Promise<Response> {
  const terms = await readStreamTerms(c);
  return new Stream(c, terms, await creditOf(c)).answer();
}

/** The credit of a key that may call now: a body of any length is not read for another. */
async function creditOf(c: Context): Promise<NanoUsd> {
  const result = await c.get("services").wallet.authorize({
    key: c.get("key"),
    scope: embeddings.scope,
    ip: clientAddress(c),
    countsRequest: false,
    waitUntil: waitUntilOf(c),
  });
  if (result.kind === "refused") throw refusedError(c, result);
  return result.standing.creditNanoUsd;
}
