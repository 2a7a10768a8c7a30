// npm run deploy against a Cloudflare that is a list of commands: what is refused, made, and made only once. The bundle
// of the dry run is wrangler's own, offline.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type DeployContext, main } from "../../scripts/deploy/main.ts";
import { readEnvironment } from "../../scripts/deploy/environment.ts";
import { createSecrets, missingSecrets } from "../../scripts/deploy/secrets.ts";
import { provide } from "../../scripts/deploy/resources.ts";
import { type Wrangler, wrangler } from "../../scripts/deploy/wrangler.ts";
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

  readonly run: Wrangler = (args, input) => {
    this.commands.push(args.join(" "));
    const [first, second, third, fourth] = args;
    const answer = (stdout: string) => ({ status: 0, stdout, stderr: "" });
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
  };
}

let dir: string;
let lines: string[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "gigarouter-deploy-"));
  lines = [];
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function contextOver(run: Wrangler): DeployContext {
  return { run, dir, say: (line) => void lines.push(line), fetch: () => Promise.reject(new Error("no network")) };
}

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
    expect(missingSecrets(cloudflare.run, "x.json")).toEqual(SECRET_NAMES);
    const shown = createSecrets(cloudflare.run, "x.json", SECRET_NAMES);
    expect(Object.keys(shown).sort()).toEqual(["ADMIN_KEY", "BACKEND_SECRET"]);
    expect(missingSecrets(cloudflare.run, "x.json")).toEqual([]);
    expect(cloudflare.commands.join("\n")).not.toContain(shown["ADMIN_KEY"]);
  });

  test("that are there are left as they are", () => {
    const cloudflare = new FakeCloudflare();
    cloudflare.secrets = SECRET_NAMES.filter((name) => name !== "KEY_PEPPER");
    expect(missingSecrets(cloudflare.run, "x.json")).toEqual(["KEY_PEPPER"]);
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
