// npm run deploy against a Cloudflare that is a list of commands: what is refused, made, and made only once. The bundle
// of the dry run is wrangler's own, offline.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type DeployContext, main } from "../../scripts/deploy/main.ts";
import { readEnvironment } from "../../scripts/deploy/environment.ts";
import { createSecrets, knownSecrets, missingSecrets } from "../../scripts/deploy/secrets.ts";
import { provide } from "../../scripts/deploy/resources.ts";
import { type Wrangler, type WranglerResult, warningsIn, wrangler } from "../../scripts/deploy/wrangler.ts";
import { SECRET_NAMES } from "../../scripts/dev-server/data-folder.ts";

const WRANGLER_TOML = readFileSync(join(import.meta.dirname, "../../wrangler.toml"), "utf8");
const COMPLETE = WRANGLER_TOML.replaceAll("example.com", "gigarouter.test");

/** What Cloudflare has, and the commands it was sent. */
class FakeCloudflare {
  readonly commands: string[] = [];
  readonly namespaces: { id: string; title: string }[] = [];
  readonly databases: { uuid: string; name: string }[] = [];
  readonly buckets: string[] = [];
  secrets: string[] | undefined;
  /** Newest last. */
  readonly versions: string[] = [];
  warning = "";
  /** Hosts that another Worker has, and hosts that have a DNS record of their own. */
  taken: readonly string[] = [];
  recorded: readonly string[] = [];
  /** What the host answers, by path; `/health` names the version that serves unless told. */
  answers: Readonly<Record<string, { readonly status: number; readonly body: object }>> = {};
  asked = 0;

  readonly fetch: typeof fetch = (input, init) => {
    this.asked += 1;
    const url = new URL(input instanceof Request ? input.url : input);
    if (url.host !== "api.cloudflare.com") return Promise.resolve(this.#site(url.pathname));
    if (new Headers(init?.headers).get("authorization") !== "Bearer token") throw new Error("no login");
    const hosts = this.taken.map((hostname) => ({ id: hostname, hostname, modified: true }));
    const result = url.pathname.endsWith("/changeset")
      ? { updated: hosts, conflicting: this.recorded.map((hostname) => ({ hostname })) }
      : { hostname: url.pathname.split("/").at(-1), service: "another-worker" };
    return Promise.resolve(Response.json({ success: true, result }));
  };

  #site(path: string): Response {
    const ready = { status: "ready", backends: [{ model: "a/b", status: "ready", reasons: [] }], problems: [] };
    const usual = path === "/health" ? { status: "ok", version: this.versions.at(-1) } : ready;
    const { status = 200, body = usual } = this.answers[path] ?? {};
    return Response.json(body, { status });
  }

  readonly run: Wrangler = (args, input) => {
    this.commands.push(args.join(" "));
    const [first, second] = args;
    const answer = (stdout: string) => ({ status: 0, stdout, stderr: "" });
    switch (first) {
      case "whoami":
        return answer(JSON.stringify({ loggedIn: true, accounts: [{ id: "account", name: "Us" }] }));
      case "auth":
        return answer(JSON.stringify({ type: "api_token", token: "token" }));
      case "deployments": {
        if (this.versions.length === 0) return { status: 1, stdout: "", stderr: "This Worker does not exist" };
        return answer(JSON.stringify({ id: "d", versions: [{ version_id: this.versions.at(-1), percentage: 100 }] }));
      }
      case "deploy":
        if (args.includes("--dry-run")) return answer("Total Upload: 1 KiB / gzip: 1.5 KiB");
        this.versions.push(`v${this.versions.length + 1}`);
        return { ...answer(`Current Version ID: ${this.versions.at(-1)}`), stderr: this.warning };
      case "rollback":
        this.versions.push(second ?? "");
        return answer(`Current Version ID: ${second}`);
      default:
        return this.#store(args, input, answer);
    }
  };

  #store(
    args: readonly string[],
    input: string | undefined,
    answer: (stdout: string) => WranglerResult,
  ): WranglerResult {
    const [first, second, third, fourth] = args;
    switch (`${first} ${second}`) {
      case "kv namespace":
        if (third === "create") this.namespaces.push({ id: `id-${fourth}`, title: fourth ?? "" });
        return answer(`a banner\n${JSON.stringify(this.namespaces)}`);
      case "d1 create":
        this.databases.push({ uuid: `uuid-${third}`, name: third ?? "" });
        return answer("");
      case "d1 list":
        return answer(JSON.stringify(this.databases));
      case "r2 bucket":
        if (third === "create") this.buckets.push(fourth ?? "");
        return this.buckets.includes(fourth ?? "") ? answer("") : { status: 1, stdout: "", stderr: "not there" };
      case "secret list":
        if (this.secrets === undefined) return { status: 1, stdout: "", stderr: "Worker not found [code: 10007]" };
        return answer(JSON.stringify(this.secrets.map((name) => ({ name, type: "secret_text" }))));
      case "secret bulk":
        this.secrets = [...(this.secrets ?? []), ...Object.keys(JSON.parse(input ?? "{}") as object)];
        return answer("");
      default:
        return answer("");
    }
  }
}

let dir: string;
let lines: string[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "gigarouter-deploy-"));
  lines = [];
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function contextOver(run: Wrangler): DeployContext {
  return {
    run,
    dir,
    say: (line) => void lines.push(line),
    fetch: () => Promise.reject(new Error("no network")),
    sleep: () => Promise.resolve(),
    environment: {},
  };
}

/** `npm run deploy -- --env production …` over `cloudflare`; resolves to the exit code and all that it said. */
async function deploy(cloudflare: FakeCloudflare, args: readonly string[], change: Partial<DeployContext> = {}) {
  lines.length = 0;
  const context = { ...contextOver(cloudflare.run), fetch: cloudflare.fetch, toml: COMPLETE, ...change };
  return { code: await main(["--env", "production", ...args], context), said: lines.join("\n") };
}

const SECRETS = ["--create-secrets"];

describe("an environment", () => {
  test("has every binding of the file's top, with names of its own", () => {
    const { config, host, faults } = readEnvironment("production", COMPLETE);
    expect(faults).toEqual([]);
    expect(host).toBe("api.gigarouter.test");
    expect(config.name).toBe("gigarouter-embeddings-production");
    expect(config.kv_namespaces).toMatchObject([{ id: "gigarouter-embeddings-production-embedding-cache" }]);
    expect(config["durable_objects"]).toEqual(readEnvironment("staging", COMPLETE).config["durable_objects"]);
    expect(config).not.toHaveProperty("env");
  });

  test("that is half a configuration is told with every fault, each naming its setting", () => {
    const half = COMPLETE.replace("ADMIN_HOST = ", "NO_HOST = ").replace("https://backend-1", "http://backend-1");
    const { faults } = readEnvironment("production", half);
    expect(faults).toHaveLength(2);
    expect(faults[0]).toMatch(/^vars\.BACKENDS: http:\/\/backend-1\.gigarouter\.test must be https/);
    expect(faults[1]).toMatch(/^vars\.ADMIN_HOST/);
  });

  test("of the repository names only placeholders, and each is told", () => {
    expect(readEnvironment("production").faults.filter((fault) => fault.includes("placeholder"))).toHaveLength(4);
  });

  test("that does not exist is refused with the names of those that do", async () => {
    expect(await main(["--env", "prod"], contextOver(new FakeCloudflare().run))).toBe(1);
    expect(lines.join("\n")).toContain("no [env.prod]; it has staging, production");
  });
});

describe("resources", () => {
  test("are created when missing, once, and their ids are filled in", () => {
    const cloudflare = new FakeCloudflare();
    const { config } = readEnvironment("production", COMPLETE);
    const first = provide(cloudflare.run, config, (line) => void lines.push(line));
    expect(lines).toHaveLength(3);
    expect(first.kv_namespaces[0]?.id).toBe("id-gigarouter-embeddings-production-embedding-cache");
    expect(first.d1_databases[0]?.database_id).toBe("uuid-gigarouter-embeddings-production-directory");
    expect(provide(cloudflare.run, config, (line) => void lines.push(line))).toEqual(first);
    expect(lines).toHaveLength(3);
  });
});

describe("secrets", () => {
  test("of a Worker that does not exist are all missing; made ones are complete, and two are shown", () => {
    const cloudflare = new FakeCloudflare();
    const missing = () => missingSecrets(knownSecrets(cloudflare.run, "x.json"));
    expect(missing()).toEqual(SECRET_NAMES);
    const shown = createSecrets(cloudflare.run, "x.json", SECRET_NAMES, {});
    expect(Object.keys(shown).sort()).toEqual(["ADMIN_KEY", "BACKEND_SECRET"]);
    expect(missing()).toEqual([]);
    expect(cloudflare.commands.join("\n")).not.toContain(shown["ADMIN_KEY"]);
  });

  test("that are there are left as they are", () => {
    const cloudflare = new FakeCloudflare();
    cloudflare.secrets = SECRET_NAMES.filter((name) => name !== "KEY_PEPPER");
    expect(missingSecrets(knownSecrets(cloudflare.run, "x.json"))).toEqual(["KEY_PEPPER"]);
  });

  test("that the backend has already are taken from the environment, so that no call meets two different ones", async () => {
    const cloudflare = new FakeCloudflare();
    const inputs: string[] = [];
    const run: Wrangler = (args, input) => {
      inputs.push(input ?? "");
      return cloudflare.run(args, input);
    };
    const own = "the-backend's-own-secret-0123456789abcdef";
    const { code, said } = await deploy(cloudflare, SECRETS, { run, environment: { BACKEND_SECRET: own } });
    expect(code).toBe(0);
    expect(inputs.join("\n")).toContain(own);
    expect(said).not.toContain(own);
    expect(said).toContain("ADMIN_KEY, shown this once");
    const short = await deploy(new FakeCloudflare(), SECRETS, { environment: { BACKEND_SECRET: "short" } });
    expect(short.code).toBe(1);
    expect(short.said).toContain("BACKEND_SECRET in the environment has 5 characters; 32 are the least");
  });
});

describe("a dry run", () => {
  test("bundles the Worker offline, says what a deployment would do, and which settings would refuse it", async () => {
    expect(await main(["--env", "production", "--dry-run"], contextOver(wrangler))).toBe(1);
    const said = lines.join("\n");
    expect(said).toMatch(/the Worker bundles: \d+(\.\d+)? KiB compressed/);
    expect(said).toContain("R2 bucket gigarouter-embeddings-production-files");
    expect(said).toContain("BACKENDS: https://backend-1.example.com is a placeholder");
  });
});

describe("settings that the Worker would not take", () => {
  const withVars = (text: string) => COMPLETE.replace("[env.production.vars]", `[env.production.vars]\n${text}`);

  test.each([
    ["LOG_SHARE", 'OTEL_TRACES_SAMPLER_ARG = "2"', "OTEL_TRACES_SAMPLER_ARG"],
    ["a number", "HEDGE_AFTER_MS = 5", "HEDGE_AFTER_MS must be a whole number of milliseconds"],
    ["a secret in the file", 'STRIPE_SECRET_KEY = "sk_live_1"', "vars.STRIPE_SECRET_KEY: is a secret"],
    ["half of e-mail", 'EMAIL_FROM = "us@gigarouter.test"', "EMAIL_API_URL is missing: e-mail is off"],
  ])("%s refuse the deployment by name before anything is made", async (_, text, said) => {
    const cloudflare = new FakeCloudflare();
    const result = await deploy(cloudflare, SECRETS, { toml: withVars(text) });
    expect(result.code).toBe(1);
    expect(result.said).toContain(said);
    expect(cloudflare.commands).toEqual([]);
    expect((await deploy(cloudflare, ["--dry-run"], { toml: withVars(text) })).said).toContain(said);
  });

  test("a variable whose secret is not there yet is refused by name, with the command that sets it", async () => {
    const cloudflare = new FakeCloudflare();
    const toml = withVars('GITHUB_CLIENT_ID = "id"');
    expect((await deploy(cloudflare, ["--dry-run"], { toml })).said).toContain("GITHUB_CLIENT_SECRET too");
    const refused = await deploy(cloudflare, SECRETS, { toml });
    expect(refused.code).toBe(1);
    expect(refused.said).toContain("GITHUB_CLIENT_SECRET is missing: sign-in with GitHub is off");
    expect(cloudflare.versions).toEqual([]);
    cloudflare.secrets = [...SECRET_NAMES, "GITHUB_CLIENT_SECRET"];
    expect((await deploy(cloudflare, [], { toml })).code).toBe(0);
    cloudflare.secrets.push("STRIPE_SECRET_KEY");
    expect((await deploy(cloudflare, [], { toml })).said).toContain("STRIPE_WEBHOOK_SECRET is missing");
  });

  test("a file that is no TOML is one sentence", async () => {
    const { code, said } = await deploy(new FakeCloudflare(), [], { toml: "name = " });
    expect(code).toBe(1);
    expect(said).toMatch(/^Not deployed\. wrangler\.toml cannot be read/);
  });
});

describe("a deployment", () => {
  test("succeeds when its own version answers and is ready; it says which, and how to go back", async () => {
    const cloudflare = new FakeCloudflare();
    const first = await deploy(cloudflare, SECRETS);
    expect(first.code).toBe(0);
    expect(first.said).toContain("Deployed: version v1 serves on api.gigarouter.test");
    expect(first.said).not.toContain("To go back");
    const second = await deploy(cloudflare, []);
    expect(second.said).toContain("deploying gigarouter-embeddings-production over version v1");
    expect(second.said).toContain("--env production --rollback v1");
  });

  test.each([
    ["/health fails", { "/health": { status: 500, body: { error: "x" } } }, "/health answers 500"],
    ["an older version answers", { "/health": { status: 200, body: { status: "ok", version: "v0" } } }, "version v0"],
    ["another program answers", { "/health": { status: 200, body: { hello: 1 } } }, '{"hello":1}'],
    ["the secret is refused", readyWith("secret_refused"), "a/b: secret_refused (backend 1 of 1: refuses"],
    ["no backend answers", readyWith("unreachable"), "a/b: unreachable"],
    [
      "a feature is off",
      { "/ready": { status: 200, body: { status: "ready", backends: [], problems: ["X is off."] } } },
      "X is off.",
    ],
  ])("after which %s exits 1 and names it", async (_, answers, said) => {
    const cloudflare = new FakeCloudflare();
    await deploy(cloudflare, SECRETS);
    cloudflare.answers = answers;
    const result = await deploy(cloudflare, []);
    expect(result.code).toBe(1);
    expect(result.said).toContain("but calls to api.gigarouter.test would fail");
    expect(result.said).toContain(said);
    expect(result.said).toContain("--rollback v1");
  });

  test("does not wait for ever for an answer, and says of a model that warms that it does", async () => {
    const cloudflare = new FakeCloudflare();
    let slept = 0;
    const sleep = (ms: number) => {
      slept += ms;
      return Promise.resolve();
    };
    cloudflare.answers = { "/health": { status: 522, body: {} } };
    expect((await deploy(cloudflare, SECRETS, { sleep })).code).toBe(1);
    expect(slept).toBeLessThan(5 * 60_000);
    cloudflare.answers = readyWith("warming");
    const warm = await deploy(cloudflare, []);
    expect([warm.code, warm.said]).toEqual([0, expect.stringContaining("a/b is warming")]);
  });

  test("shows wrangler's warnings", async () => {
    const cloudflare = new FakeCloudflare();
    cloudflare.warning = '\u001B[33m▲ [WARNING]\u001B[0m Processing x.json:\n\n    - Unexpected fields: "bogus"\n\n';
    const { said } = await deploy(cloudflare, SECRETS);
    expect(said).toContain('wrangler deploy: ▲ [WARNING] Processing x.json: - Unexpected fields: "bogus"');
    expect(warningsIn({ status: 0, stdout: "all well", stderr: "" })).toEqual([]);
  });

  test("takes neither another Worker's host nor one with another record, unless told to", async () => {
    const cloudflare = new FakeCloudflare();
    cloudflare.taken = ["api.gigarouter.test"];
    cloudflare.recorded = ["operator.gigarouter.test"];
    const refused = await deploy(cloudflare, SECRETS);
    expect(refused.code).toBe(1);
    expect(refused.said).toContain("api.gigarouter.test belongs to the Worker another-worker");
    expect(refused.said).toContain("operator.gigarouter.test has a DNS record that points elsewhere");
    expect(cloudflare.versions).toEqual([]);
    expect(cloudflare.commands.join("\n")).not.toContain("migrations");
    expect((await deploy(cloudflare, ["--take-over"])).code).toBe(0);
    expect(cloudflare.commands.findLast((command) => command.startsWith("deploy --config"))).not.toContain("strict");
  });

  test("whose hosts cannot be looked up takes nothing", async () => {
    const cloudflare = new FakeCloudflare();
    const closed: typeof fetch = () => Promise.resolve(new Response("forbidden", { status: 403 }));
    const { code, said } = await deploy(cloudflare, SECRETS, { fetch: closed });
    expect([code, cloudflare.versions]).toEqual([1, []]);
    expect(said).toContain("Cloudflare does not say whether the hosts are free: 403 forbidden");
  });

  test("is taken back by --rollback, to the version named, and looked at the same way", async () => {
    const cloudflare = new FakeCloudflare();
    await deploy(cloudflare, SECRETS);
    await deploy(cloudflare, []);
    const back = await deploy(cloudflare, ["--rollback", "v1"]);
    expect(back.code).toBe(0);
    expect(back.said).toContain("version v1 serves");
    expect(cloudflare.commands.filter((command) => command.startsWith("rollback v1 --yes"))).toHaveLength(1);
    cloudflare.answers = { "/health": { status: 500, body: {} } };
    expect((await deploy(cloudflare, ["--rollback", "v2"])).code).toBe(1);
  });
});

function readyWith(status: string) {
  const backend = { model: "a/b", status, reasons: ["backend 1 of 1: refuses BACKEND_SECRET (status 401)"] };
  return { "/ready": { status: 503, body: { status: "not_ready", backends: [backend], problems: [] } } };
}
