// Before the tests in a browser: a Chromium, where the machine has none.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { installPackage } from "../support/install-package.ts";
import { CAN_BE_UNPACKED, UNPACKED, installedBrowser } from "./browser-files.ts";

const UNPACK = 'import chromium from "@sparticuz/chromium"; await chromium.executablePath();';

/** Vitest calls this once, before the first test of the project. */
export function setup(): void {
  if (installedBrowser() !== undefined || existsSync(UNPACKED)) return;
  if (!CAN_BE_UNPACKED) {
    process.stderr.write(
      "Skipped: the pages in a browser. No Chromium is installed here (CHROMIUM_PATH names one), and npm's is for Linux on x64.\n",
    );
    return;
  }
  installPackage(import.meta.dirname);
  // The package unpacks into the temporary folder, its libraries only where it takes the machine for Amazon's.
  const partial = `${UNPACKED}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  const { status, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", UNPACK], {
    cwd: import.meta.dirname,
    encoding: "utf8",
    env: { ...process.env, TMPDIR: partial, AWS_EXECUTION_ENV: "AWS_Lambda_nodejs22.x" },
  });
  if (status !== 0) throw new Error(`@sparticuz/chromium did not unpack:\n${stderr}`);
  renameSync(partial, UNPACKED);
}
