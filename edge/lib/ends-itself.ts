// Some calls end with the object aborting itself (`ctx.abort`), so that nothing it still runs can write again. The caller
// sees that abort as an error with its reason.

/** The reason of every such abort. */
export const ACCOUNT_DELETED = "the account was deleted";

/** Resolves when the object has ended itself; throws when the call failed otherwise. */
export async function endsItself(call: Promise<void>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof Error) || !error.message.includes(ACCOUNT_DELETED)) throw error;
  }
}
