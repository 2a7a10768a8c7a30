// Some calls end with the object aborting itself (`ctx.abort`), so that nothing it still runs can write. The caller
// sees the abort as an error with its reason.

/** The reason that every such abort gives. */
export const ACCOUNT_DELETED = "the account was deleted";

/** Resolves when the object has aborted itself; throws if the call failed for another reason. */
export async function endsItself(call: Promise<void>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof Error) || !error.message.includes(ACCOUNT_DELETED)) throw error;
  }
}
