// An API that somebody else has defined and some of our routes speak. Calls of these routes are calls like all others;
// what differs beside body and answer is the form of an error, and the header that the vendor's clients put a key into.

import type { ErrorObject, ErrorSpec } from "../../shared/errors.ts";

/** An error as callers read it: its message with the link to its section. */
export interface ShownError extends ErrorObject {
  readonly status: ErrorSpec["status"];
  readonly retry_after_s?: number;
}

export interface Vendor {
  /** Name of the error's schema in the document. */
  readonly errorName: string;
  /** JSON Schema of what `errorBody` returns. */
  readonly errorSchema: Readonly<Record<string, unknown>>;
  readonly errorBody: (error: ShownError) => object;
  /** A header that may hold the key, where no other does. */
  readonly keyHeader?: string;
}
