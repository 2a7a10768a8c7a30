// npm run test:schemathesis: property-based calls, made from the published document, against the server that `npm start`
// runs; it must find nothing. Needs schemathesis from PyPI (`pip install schemathesis==4.32.5` in an environment of its
// own) on the PATH, or its program in SCHEMATHESIS. Arguments go to it (`--seed 1`, `--max-examples 200`).
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { call, removeFolder, startTestServer, temporaryFolder } from "../support/dev-server.ts";

const PROGRAM = process.env["SCHEMATHESIS"] ?? "schemathesis";

/**
 * One check does not fit: a field may be right alone and impossible beside another (`dimensions` over the model's,
 * `instruction` with token ids), which OpenAPI cannot say, so data of the right shape may be a 400.
 */
const CHECKS_LEFT_OUT = ["positive_data_acceptance"];

/** 413 refuses a body whatever it holds; 503 is documented wherever it may come, and a busy machine gives some. */
const CONFIGURATION = `
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 409, 413, 415, 429, 503]
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 503]
`;

/** A call of these may end the key that the calls are made with, or its credit: they have an account of their own. */
const ENDING = ["patchAccount", "deleteAccount", "patchKey", "rotateKey", "deleteKey"];

const extra = process.argv.slice(2);
const dataDir = temporaryFolder();
writeFileSync(join(dataDir, "schemathesis.toml"), CONFIGURATION);
const server = await startTestServer(dataDir);
let failed = 0;
try {
  failed += await run("the API", await newKey(), ["--exclude-tag", "Operator", ...operations("exclude", ENDING)]);
  failed += await run("what may end the key", await newKey(), operations("include", [...ENDING, "createKey"]));
  failed += await run("the operator's routes", server.adminKey, ["--include-tag", "Operator"]);
} finally {
  await server.stop();
  removeFolder(dataDir);
}
process.exitCode = failed === 0 ? 0 : 1;

function operations(filter: "include" | "exclude", ids: readonly string[]): string[] {
  return ids.flatMap((id) => [`--${filter}-operation-id`, id]);
}

/** The key of an account of its own, with limits and credit that the calls do not reach. */
async function newKey(): Promise<string> {
  const admin = (path: string, body: unknown) => call(server.url, server.adminKey, path, body);
  const id = String((await admin("/admin/accounts", { name: "Schemathesis" })).body["id"]);
  await admin(`/admin/accounts/${id}/grants`, { amount_usd: 1000, kind: "promo" });
  await fetch(`${server.url}/admin/accounts/${id}`, {
    method: "PATCH",
    headers: { authorization: `Bearer ${server.adminKey}`, "content-type": "application/json" },
    body: JSON.stringify({ limits: { requests_per_minute: 1_000_000, tokens_per_minute: 1_000_000_000 } }),
  });
  return String((await admin(`/admin/accounts/${id}/keys`, {})).body["key"]);
}

async function run(what: string, key: string, filters: readonly string[]): Promise<number> {
  process.stdout.write(`\n== ${what}\n`);
  const options = ["--header", `Authorization: Bearer ${key}`, "--continue-on-failure", "--exclude-checks"];
  const child = spawn(
    PROGRAM,
    ["run", `${server.url}/v1/openapi.json`, ...options, CHECKS_LEFT_OUT.join(","), ...filters, ...extra],
    { stdio: "inherit", cwd: dataDir },
  );
  const [code] = (await Promise.race([once(child, "close"), once(child, "error")])) as [unknown];
  if (code instanceof Error) throw new Error(`${PROGRAM} cannot be run: ${code.message}`);
  return code === 0 ? 0 : 1;
}
