// The trial of forms in a process of its own. Whatever becomes of that process, there is an answer.

import { unreachable } from "../../shared/assert.ts";
import { forkProgram } from "../fork-program.ts";
import type { LinearsChoice } from "./choice.ts";
import type { TrialRequest } from "./trial.ts";
import type { FromTrial } from "./trial-process.ts";

/** The choice, or in a sentence why there is none. */
export function runTrial(
  request: TrialRequest,
  onProgress: (fraction: number, what: string) => void,
): Promise<LinearsChoice | string> {
  const child = forkProgram("trial-process");
  onProgress(0, "trying forms of the linear layers");
  return new Promise((resolve) => {
    child.on("message", (message: FromTrial) => {
      switch (message.kind) {
        case "progress":
          return onProgress(message.fraction, message.what);
        case "choice":
          return resolve(message.choice);
        case "failed":
          return resolve(`the trial of other forms failed: ${message.reason}`);
        default:
          return unreachable(message);
      }
    });
    child.on("error", (error) => resolve(`the trial of other forms could not be started: ${error.message}`));
    child.on("close", (code, signal) => resolve(`the trial of other forms ended with ${signal ?? code ?? "nothing"}`));
    child.send(request, () => undefined);
  });
}
