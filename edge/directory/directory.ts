// The directory: the one D1 database, for what needs a list over accounts (docs/storage.md). Off the hot path: no call
// that embeds waits for it. A failure of it is `directory_unavailable`, and whoever writes here writes before acting
// elsewhere, so that nothing is half made. Tables: migrations/.

import { apiError } from "../../shared/errors.ts";

export type Directory = D1Database;

/** Runs `work`; a failure of the database becomes `directory_unavailable` (its own message may quote values, and stays inside). */
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
