// The directory: the only D1 database, for everything that needs a list over accounts (docs/storage.md). It is off the
// hot path: no embedding call waits for it. Its failure is `directory_unavailable`. Callers write here before they act
// elsewhere, so that nothing is half done. Tables: migrations/.

import { apiError } from "../../shared/errors.ts";

export type Directory = D1Database;

/**
 * Runs `work`. A failure becomes `directory_unavailable`; the database's message, which may quote values, is only its
 * cause.
 */
export async function withDirectory<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw directoryUnavailable(error);
  }
}

function directoryUnavailable(cause: unknown): Error {
  const fault = apiError(
    "directory_unavailable",
    "The directory of accounts did not answer: nothing was made or changed.",
    null,
    5,
  );
  fault.cause = cause;
  return fault;
}
