// Entry of the process that tries forms: it computes for seconds to minutes, for which the server's event loop cannot wait.

import { sendToParent } from "../send-to-parent.ts";
import type { LinearsChoice } from "./choice.ts";
import { tryLinears, type TrialRequest } from "./trial.ts";

export type FromTrial =
  | { readonly kind: "progress"; readonly fraction: number; readonly what: string }
  | { readonly kind: "choice"; readonly choice: LinearsChoice }
  | { readonly kind: "failed"; readonly reason: string };

const send = (message: FromTrial): Promise<void> => sendToParent(message);

async function answer(request: TrialRequest): Promise<void> {
  try {
    const onProgress = (fraction: number, what: string): void => void send({ kind: "progress", fraction, what });
    await send({ kind: "choice", choice: await tryLinears(request, { onProgress }) });
  } catch (error) {
    await send({ kind: "failed", reason: error instanceof Error ? error.message : String(error) });
  }
  process.exit(0);
}

process.on("message", (request: TrialRequest) => void answer(request));
process.on("disconnect", () => process.exit(0));
