// Before the contract tests: the SDKs of test/contract/package.json.

import { installPackage } from "../support/install-package.ts";

/** Vitest calls this once, before the first test of the project. */
export function setup(): void {
  installPackage(import.meta.dirname);
}
