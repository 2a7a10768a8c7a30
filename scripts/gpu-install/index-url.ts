// The Python package index to use, as pip decides it: PIP_INDEX_URL, then its configuration files, then PyPI.

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const PYPI = "https://pypi.org/simple";

type Environment = Readonly<Record<string, string | undefined>>;

/** The index's URL without a final slash; it may have a user and password. */
export function indexUrl(environment: Environment, home = homedir()): string {
  const given = environment["PIP_INDEX_URL"] ?? configured(environment, home) ?? PYPI;
  if (!URL.canParse(given))
    throw new Error(`The package index is ${given}, which is no URL (PIP_INDEX_URL or pip's configuration).`);
  return given.replace(/\/+$/, "");
}

/** The index of the first of pip's files that names one, the most specific file first, as in pip. */
function configured(environment: Environment, home: string): string | undefined {
  const own = environment["PIP_CONFIG_FILE"];
  const files = [
    ...(own === undefined ? [] : [own]),
    ...(environment["VIRTUAL_ENV"] === undefined ? [] : [join(environment["VIRTUAL_ENV"], "pip.conf")]),
    join(environment["XDG_CONFIG_HOME"] ?? join(home, ".config"), "pip", "pip.conf"),
    join(home, ".pip", "pip.conf"),
    "/etc/pip.conf",
  ];
  for (const file of files) {
    const url = indexUrlIn(file);
    if (url !== undefined) return url;
  }
  return undefined;
}

function indexUrlIn(file: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    // No such file.
    return undefined;
  }
  let section = "";
  for (const line of text.split("\n")) {
    section = /^\s*\[(.+)\]/.exec(line)?.[1] ?? section;
    const [, url] = /^\s*index[-_]url\s*[=:]\s*(\S+)/.exec(line) ?? [];
    if (url !== undefined && ["global", "install", "download"].includes(section)) return url;
  }
  return undefined;
}
