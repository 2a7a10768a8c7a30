import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";

import {
  DEMO_DIR,
  embedded,
  faultIn,
  MODEL,
  post,
  type RunningBackend,
  SECRET,
  startBackend,
} from "./running-backend.ts";
import { copyCheckpoint } from "../copy-checkpoint.ts";
import { addedToken, demoTokenizer } from "../write-tokenizer.ts";

const made: string[] = [];
const running: RunningBackend[] = [];
afterEach(async () => {
  for (const backend of running.splice(0)) await backend.close();
  for (const dir of made.splice(0)) rmSync(dir, { recursive: true, force: true });
});

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), "lifecycle-"));
  made.push(dir);
  return dir;
}

async function start(...args: Parameters<typeof startBackend>): Promise<RunningBackend> {
  const backend = await startBackend(...args);
  running.push(backend);
  return backend;
}

const listOf = (texts: number): string[] =>
  Array.from({ length: texts }, (_, index) => `text number ${index} of a list that takes a while to embed`);
const LIST = listOf(200);

describe("the life of a backend", () => {
  it("ends on SIGTERM after the calls in flight are answered, refusing new ones, with exit code 0", async () => {
    const backend = await start();
    const exit = once(backend.child, "exit");
    // Long enough that it is still in flight when a busy machine gets round to looking.
    const texts = listOf(500);
    const list = post(backend.origin, "/embed", { texts });
    await queued(backend);
    backend.child.kill("SIGTERM");
    const { answer } = await embedded(await list);
    expect(answer.tokens).toHaveLength(texts.length);
    expect((await exit)[0]).toBe(0);
    await expect(fetch(`${backend.origin}/health`)).rejects.toThrow();
  });

  it("goes on when its engine process is killed under load: every answer right, the process started again", async () => {
    const backend = await start();
    const { vectors: before } = await embedded(await post(backend.origin, "/embed", { texts: LIST }));
    const calls = Array.from({ length: 4 }, (_, index) =>
      post(backend.origin, "/embed", { texts: LIST, header: { account: `account-${index}` } }),
    );
    await queued(backend);
    process.kill((await engineOf(backend)).pid, "SIGKILL");
    for (const call of calls) {
      const { vectors } = await embedded(await call);
      expect(vectors).toHaveLength(before.length);
      expect(largestDifference(vectors, before)).toBeLessThan(8);
    }
    expect((await engineOf(backend)).restarts).toBe(1);
  });

  it("refuses a text whose special token the model has no row for, in both routes, and goes on", async () => {
    const dir = copyCheckpoint(DEMO_DIR, folder());
    const definition = demoTokenizer();
    definition.added_tokens.push(addedToken("<think>", 16_384));
    writeFileSync(join(dir, "tokenizer.json"), JSON.stringify(definition));
    const backend = await start(["--model", dir, "--model-id", MODEL]);
    for (const path of ["/embed", "/tokenize"] as const) {
      const response = await post(backend.origin, path, { texts: ["fine", "the <think> tag"] });
      expect(response.status).toBe(400);
      const fault = await faultIn(response);
      expect(fault).toMatchObject({ code: "invalid_token_id", index: 1, facts: { id: 16_384 } });
      expect(fault.message).not.toContain("think");
    }
    const { answer } = await embedded(await post(backend.origin, "/embed", { texts: ["fine", "the < think > tag"] }));
    expect(answer.tokens).toHaveLength(2);
    expect((await engineOf(backend)).restarts).toBe(0);
  });

  it("finds out that a page of its compiled files was zeroed, compiles again, and serves the right vectors", async () => {
    const dir = copyCheckpoint(DEMO_DIR, folder());
    const embed = async ({ origin }: RunningBackend) =>
      embedded(await post(origin, "/embed", { texts: ["a text"], header: { model: "local/demo-model" } }));
    const first = await start(["--model", dir]);
    const before = await embed(first);
    await first.close();
    const weights = join(dir, ".compiled", before.answer.revision, "weights.bin");
    const descriptor = openSync(weights, "r+");
    writeSync(descriptor, new Uint8Array(4096), 0, 4096, statSync(weights).size - 65_536);
    closeSync(descriptor);
    const { vectors } = await embed(await start(["--model", dir]));
    expect(vectors).toEqual(before.vectors);
  });

  it("ends when its parent lets go of it", async () => {
    const backend = await start([], {}, "listening");
    const exit = once(backend.child, "exit");
    backend.child.disconnect();
    const [code] = await exit;
    expect([code, backend.stderr()]).toEqual([0, ""]);
  });

  it("listens before it can serve, and says so", async () => {
    const backend = await start([], {}, "listening");
    expect((await fetch(`${backend.origin}/health`)).status).toBe(200);
    expect((await fetch(`${backend.origin}/ready`)).status).toBe(503);
    expect(await faultIn(await post(backend.origin, "/embed", { texts: ["x"] }))).toMatchObject({
      code: "model_not_ready",
    });
  });
});

describe("a start that cannot succeed ends with one clear sentence and exit code 1", () => {
  async function sentenceOf(args: readonly string[], environment = {}): Promise<string> {
    const failure: unknown = await start(args, environment).catch((error: unknown) => error);
    if (!(failure instanceof Error)) throw new Error("the start succeeded");
    const [, code, stderr] = /^the backend ended with (\d+): (.*)$/s.exec(failure.message) ?? [];
    expect(code).toBe("1");
    expect(stderr?.trim().split("\n")).toHaveLength(1);
    expect(stderr).not.toMatch(/ at .*:\d+:\d+/);
    return stderr ?? "";
  }

  it("on a truncated model.safetensors", async () => {
    const dir = copyCheckpoint(DEMO_DIR, folder());
    truncateSync(join(dir, "model.safetensors"), 5_000_000);
    expect(await sentenceOf(["--model", dir])).toContain("model.safetensors");
  });

  it("on a checkpoint of another kind", async () => {
    const dir = folder();
    writeFileSync(join(dir, "config.json"), JSON.stringify({ model_type: "bert" }));
    expect(await sentenceOf(["--model", dir])).toContain("config.json");
  });

  it("on a model that is neither a folder nor a name", async () => {
    expect(await sentenceOf(["--model", "./no/such/folder"])).toContain("neither a folder nor a name on the hub");
  });

  it("on a file in place of a folder", async () => {
    const path = join(folder(), "model.gguf");
    writeFileSync(path, "GGUF");
    expect(await sentenceOf(["--model", path])).toContain("a checkpoint is a folder with config.json, tokenizer.json");
  });

  it("on a port that is in use", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    expect(await sentenceOf(["--port", String(port)])).toBe(`Port ${port} on 127.0.0.1 is in use.\n`);
    other.close();
  });
});

async function engineOf(backend: RunningBackend): Promise<{ pid: number; restarts: number }> {
  const response = await fetch(`${backend.origin}/info`, { headers: { authorization: `Bearer ${SECRET}` } });
  return ((await response.json()) as { engine: { pid: number; restarts: number } }).engine;
}

/** Waits until work is in the queue. */
async function queued(backend: RunningBackend): Promise<void> {
  for (let seconds = 0; seconds === 0;) {
    const ready = (await (await fetch(`${backend.origin}/ready`)).json()) as { load: { queueSeconds: number } };
    seconds = ready.load.queueSeconds;
  }
}

/** In units of the last place of float16: another batch may round another way. */
function largestDifference(left: Uint16Array, right: Uint16Array): number {
  let most = 0;
  for (const [index, bits] of left.entries()) {
    const other = right[index] ?? 0;
    // Values near zero change sign and exponent freely; their last places say nothing.
    if ((bits & 0x7fff) > 0x2000 && (other & 0x7fff) > 0x2000) most = Math.max(most, Math.abs(bits - other));
  }
  return most;
}
