// `npm start` as a stranger meets it: state that survives kill -9, a busy port, a folder held twice, broken checkpoints.
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DEMO_MODEL_ID } from "../../shared/catalog.ts";
import { BackendProcess } from "../../scripts/dev-server/backend.ts";
import { StartError } from "../../scripts/dev-server/options.ts";
import { childrenOf } from "../../scripts/dev-server/processes.ts";
import { call, removeFolder, temporaryFolder } from "../support/dev-server.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const START_LIMIT_MS = 110_000;
const folder = temporaryFolder();
const dataDir = join(folder, "data");
const running = new Set<Started>();

interface DevFile {
  readonly url: string;
  readonly apiKey: string;
  readonly adminKey: string;
  readonly model: string;
  readonly backendUrl: string;
}
interface Started {
  readonly pid: number;
  readonly output: () => string;
  readonly exited: Promise<number | null>;
  kill(signal: NodeJS.Signals): void;
}

function start(...args: string[]): Started {
  const child = spawn(process.execPath, [join(ROOT, "scripts/start.mjs"), "--port", "0", "--data", dataDir, ...args], {
    cwd: ROOT,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  const exited = new Promise<number | null>((done) => child.once("exit", (code) => done(code)));
  const started = {
    pid: child.pid ?? 0,
    output: () => output,
    exited,
    kill: (signal: NodeJS.Signals) => void child.kill(signal),
  };
  running.add(started);
  void exited.then(() => running.delete(started));
  return started;
}

/** Resolves when DIR/dev.json is there; rejects when the start ended instead. */
async function ready(started: Started): Promise<DevFile> {
  const path = join(dataDir, "dev.json");
  const ended = started.exited.then((code) => {
    throw new Error(`ended with ${code}: ${started.output()}`);
  });
  const appeared = (async () => {
    const until = performance.now() + START_LIMIT_MS;
    while (statSync(path, { throwIfNoEntry: false }) === undefined) {
      if (performance.now() > until) throw new Error(`not ready: ${started.output()}`);
      await new Promise((done) => setTimeout(done, 50));
    }
    return JSON.parse(readFileSync(path, "utf8")) as DevFile;
  })();
  return Promise.race([appeared, ended]);
}

const embed = (file: DevFile, input: string) =>
  call(file.url, file.apiKey, "/v1/embeddings", { model: DEMO_MODEL_ID, input });

afterAll(async () => {
  for (const started of running) started.kill("SIGTERM");
  await Promise.all([...running].map((started) => started.exited));
  removeFolder(folder);
});

describe("npm start", () => {
  let first: Started;
  let file: DevFile;

  beforeAll(async () => {
    first = start();
    file = await ready(first);
  });

  test("prints URL, key and a curl line, and writes dev.json readable by its owner alone", async () => {
    expect(first.output()).toContain(file.url);
    expect(first.output()).toContain(`curl ${file.url}/v1/embeddings`);
    expect(first.output()).toContain(file.apiKey);
    expect(statSync(join(dataDir, "dev.json")).mode & 0o777).toBe(0o600);
    expect(statSync(join(dataDir, "secrets.json")).mode & 0o777).toBe(0o600);
    expect((await embed(file, "hello")).status).toBe(200);
    expect((await fetch(`${file.backendUrl}/health`)).status).toBe(200);
  });

  test("a second start on the same folder says who holds it", async () => {
    const second = start();
    expect(await second.exited).toBe(1);
    expect(second.output()).toContain("Already running on this data folder");
  });

  test("a backend that is killed comes back by itself", async () => {
    const [backend] = childrenOf(first.pid, /gpu-backend\/start\.mjs/);
    expect(backend).toBeDefined();
    process.kill(backend ?? 0, "SIGKILL");
    const answer = await embed(file, "after the backend was killed");
    expect(answer.status).toBe(200);
  });

  test("after kill -9 of everything a new start has the same key, books that add up, and $5 once", async () => {
    const charged = (await embed(file, "charged before the kill")).status;
    expect(charged).toBe(200);
    first.kill("SIGKILL");
    await first.exited;
    rmSync(join(dataDir, "dev.json"), { force: true });
    const again = start();
    const file2 = await ready(again);
    expect(file2.apiKey).toBe(file.apiKey);
    expect((await embed(file2, "after the restart")).status).toBe(200);
    const books = await call(
      file2.url,
      file2.adminKey,
      `/admin/accounts/${String((await call(file2.url, file2.apiKey, "/v1/account")).body["id"])}`,
    );
    expect(books.body).toMatchObject({ granted_nano_usd: 5_000_000_000 });
    const { granted_nano_usd: granted, charged_nano_usd: chargedTotal, balance_nano_usd: left } = books.body;
    expect(Number(granted) - Number(chargedTotal)).toBe(left);
    again.kill("SIGINT");
    expect(await again.exited).toBe(0);
    expect(statSync(join(dataDir, "dev.json"), { throwIfNoEntry: false })).toBeUndefined();
  });
});

describe("a start that cannot be", () => {
  const DEMO = join(ROOT, "gpu-backend/demo-model");

  test("on a busy port names the port and the way out", async () => {
    const blocker = createServer();
    await new Promise<void>((done) => blocker.listen(0, "127.0.0.1", done));
    const { port } = blocker.address() as AddressInfo;
    const started = start("--port", String(port));
    expect(await started.exited).toBe(1);
    expect(started.output()).toContain(`Port ${port} is in use`);
    await new Promise((done) => blocker.close(done));
  });

  test("with an unknown option or a missing folder says so", async () => {
    const unknown = start("--modle", "x");
    expect(await unknown.exited).toBe(1);
    expect(unknown.output()).toContain("--modle");
    const missing = start("--model", "/no/such/folder");
    expect(await missing.exited).toBe(1);
    expect(missing.output()).toContain("/no/such/folder");
  });

  function brokenModel(damage: (dir: string) => void): string {
    const dir = mkdtempSync(join(folder, "broken-"));
    cpSync(DEMO, dir, { recursive: true, filter: (source) => !source.includes(".compiled") });
    damage(dir);
    return dir;
  }

  test("on a truncated safetensors ends with one clear sentence, no stack, exit code 1", async () => {
    const dir = brokenModel((broken) => truncateSync(join(broken, "model.safetensors"), 100_000));
    const started = start("--model", dir);
    expect(await started.exited).toBe(1);
    const sentence = started.output().trim().split("\n").at(-1) ?? "";
    expect(sentence).toMatch(/model\.safetensors/);
    expect(started.output()).not.toContain("    at ");
  });

  // What the start would end with, from the backend that it runs, without the edge beside it.
  test.each<[string, (dir: string) => void, RegExp]>([
    ["a missing tokenizer", (dir) => rmSync(join(dir, "tokenizer.json")), /^[^\n]*tokenizer\.json[^\n]*$/],
    [
      "an unknown quantisation",
      (dir) => changeConfig(dir, (config) => ({ ...config, quantization_config: { quant_method: "hqq", bits: 4 } })),
      /^[^\n]*hqq[^\n]*$/,
    ],
  ])("on %s has one clear sentence to end with", async (_, damage, sentence) => {
    const backend = new BackendProcess({
      models: [{ model: brokenModel(damage), modelId: DEMO_MODEL_ID }],
      dataDir: join(folder, "broken"),
      secret: "a secret for tests only",
      onProgress: () => undefined,
      onLog: () => undefined,
      onPid: () => undefined,
    });
    const { listening, ready: served } = backend.start();
    const failure: unknown = await Promise.all([listening, served]).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StartError);
    expect((failure as StartError).message).toMatch(sentence);
  });
});

function changeConfig(dir: string, change: (config: object) => object): void {
  const path = join(dir, "config.json");
  writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, "utf8")) as object)));
}
