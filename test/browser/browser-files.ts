// Where a Chromium for the tests is: one that the machine has comes first, then the one of the npm registry
// (@sparticuz/chromium: Linux on x64; it brings the libraries that it needs).

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const INSTALLED = [
  process.env["CHROMIUM_PATH"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

interface Package {
  readonly dependencies: { readonly "@sparticuz/chromium": string };
}

const { dependencies } = JSON.parse(readFileSync(join(import.meta.dirname, "package.json"), "utf8")) as Package;
/** Unpacked by install.ts: 200 MB, kept from run to run. */
export const UNPACKED = join(import.meta.dirname, `../../.build/chromium-${dependencies["@sparticuz/chromium"]}`);
export const CAN_BE_UNPACKED = process.platform === "linux" && process.arch === "x64";

export interface BrowserFiles {
  readonly executablePath: string;
  /** What it needs beside what every machine has. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The browser of this machine; undefined where it has none. */
export function installedBrowser(): BrowserFiles | undefined {
  const executablePath = INSTALLED.find((path) => path !== undefined && path !== "" && existsSync(path));
  return executablePath === undefined ? undefined : { executablePath };
}

/** The browser that the tests use; undefined: none can be had here. */
export function browserFiles(): BrowserFiles | undefined {
  const installed = installedBrowser();
  if (installed !== undefined || !existsSync(UNPACKED)) return installed;
  // Its own libraries, and a font for machines that have none (fontconfig looks into `fonts` of that folder).
  const env = { LD_LIBRARY_PATH: join(UNPACKED, "al2023/lib"), XDG_DATA_HOME: join(UNPACKED, "fonts") };
  return { executablePath: join(UNPACKED, "chromium"), env };
}
