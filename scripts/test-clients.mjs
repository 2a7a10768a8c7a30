// npm run test:clients: runs every snippet of docs/clients.md, unmodified, with its client against a development server
// with the demo model. npm's clients are installed from test/contract/package-lock.json, Python's from its
// requirements.txt into .build/clients-venv, the stores of docs/stores.md from test/contract/stores. Needs Python 3.11 or
// newer; what needs Go (1.24 or newer) is skipped where there is none. Arguments go to vitest (`-- -t langchain`).
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, ensureInstalled, fail } from "./install.mjs";

const PYTHON_FLOOR = [3, 11];
const VENV = join(ROOT, ".build/clients-venv");
const REQUIREMENTS = join(ROOT, "test/contract/requirements.txt");
/** Written last: a virtual environment without it, or with another one, is created again. */
const STAMP = join(VENV, "requirements.sha256");
const isWindows = process.platform === "win32";
const PYTHON = isWindows ? join(VENV, "Scripts/python.exe") : join(VENV, "bin/python");

function run(command, args, options = {}) {
  return spawnSync(command, args, { cwd: ROOT, stdio: "inherit", ...options }).status ?? 1;
}

function ensurePython() {
  const hash = createHash("sha256").update(readFileSync(REQUIREMENTS)).digest("hex");
  if (existsSync(STAMP) && readFileSync(STAMP, "utf8") === hash) return;
  const python = isWindows ? "python" : "python3";
  const floor = `import sys; sys.exit(sys.version_info < (${PYTHON_FLOOR.join(", ")}))`;
  if (run(python, ["-c", floor], { stdio: "ignore" }) !== 0) {
    fail(`Python ${PYTHON_FLOOR.join(".")} or newer is needed, as \`${python}\`, for Python's clients.`);
  }
  process.stderr.write("Installing Python's clients into .build/clients-venv …\n");
  rmSync(VENV, { recursive: true, force: true });
  if (run(python, ["-m", "venv", VENV]) !== 0) fail("The virtual environment could not be made.");
  // The list is complete and exact, so pip resolves nothing.
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", REQUIREMENTS];
  if (run(PYTHON, pip) !== 0) fail("pip install failed (its output is above).");
  writeFileSync(STAMP, hash);
}

ensureInstalled();
ensurePython();
const vitest = ["run", "--project=contract", "--reporter=verbose", ...process.argv.slice(2)];
// Go compiles its library once, which may take longer than a test may.
const hasGo = run("go", ["build", "net/http"], { stdio: "ignore" }) === 0;
const env = { ...process.env, CLIENTS_PYTHON: PYTHON, ...(hasGo && { CLIENTS_GO: "go" }) };
process.exit(run(join(ROOT, "node_modules/.bin/vitest"), vitest, { env, shell: isWindows }));
