// What the Worker does behind its answers (`waitUntil`): ended before the next file begins, so that no line of one file's
// faults appears in another's log. Kept here for all files, because an Api that is made inside a test cannot have hooks.

import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";

const contexts: ExecutionContext[] = [];

export function newContext(): ExecutionContext {
  const context = createExecutionContext();
  contexts.push(context);
  return context;
}

/** What the Worker does behind its answers so far is done. */
export async function contextsSettled(): Promise<void> {
  await Promise.all(contexts.splice(0).map((context) => waitOnExecutionContext(context)));
}
