// Installs the gateways that `npm run bench:edge` measures against, in this folder: Portkey's from npm, LiteLLM's proxy
// from PyPI into a virtual environment (.venv, Python 3.10 or newer). Again: does nothing that is done.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

const here = import.meta.dirname;
run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
const venv = join(here, ".venv");
if (!existsSync(join(venv, "bin/litellm"))) {
  run("python3", ["-m", "venv", venv]);
  run(join(venv, "bin/pip"), ["install", "--quiet", "-r", join(here, "requirements.txt")]);
}

function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: here, stdio: "inherit" });
  if (status !== 0) {
    console.error(`${command} ${args.join(" ")} failed`);
    process.exit(1);
  }
}
