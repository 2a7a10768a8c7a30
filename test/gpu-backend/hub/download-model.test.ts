import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { StartError } from "../../../gpu-backend/config.ts";
import { announcedNames, findModel } from "../../../gpu-backend/hub/find-model.ts";
import { isNeeded, parseRepository } from "../../../gpu-backend/hub/repository.ts";
import { COMMIT, type FakeHub, startFakeHub } from "./fake-hub.ts";

const NAME = "owner/Model-1.5";
const WEIGHTS = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 31) % 251));
const PAGE = "<!doctype html><title>Welcome to the hotel</title>";
const HTML = { "content-type": "text/html; charset=utf-8" };
const CONFIG = Buffer.from('{"model_type":"qwen3"}');

function answerWith(status: number, headers: Record<string, string>, body = "{}") {
  return (_: IncomingMessage, response: ServerResponse): boolean => {
    response.writeHead(status, { "retry-after": "0", ...headers }).end(body);
    return true;
  };
}

describe("a model from the hub", () => {
  let hub: FakeHub;
  let data: string;
  let notices: string[];
  const download = (model = NAME, hfHubOffline = false) =>
    findModel(
      model,
      { data, hfEndpoint: hub.url, hfToken: undefined, hfHubOffline },
      { onProgress: () => undefined, onNotice: (what) => notices.push(what) },
    );

  beforeEach(async () => {
    data = mkdtempSync(join(tmpdir(), "hub-"));
    notices = [];
    hub = await startFakeHub(NAME, {
      "config.json": CONFIG,
      "model.safetensors": WEIGHTS,
      "README.md": Buffer.from("not needed"),
      "onnx/model.onnx": Buffer.from("not needed"),
      "../../escape.json": Buffer.from("not a name"),
    });
  });
  afterEach(async () => {
    await hub.close();
    rmSync(data, { recursive: true, force: true });
  });

  it("is downloaded whole into a folder named by its commit, without what is not needed", async () => {
    const found = await download();
    expect(found).toEqual({ dir: join(data, "models", "owner", "Model-1.5", COMMIT), downloaded: true });
    expect(readFileSync(join(found.dir, "model.safetensors")).equals(WEIGHTS)).toBe(true);
    expect(readFileSync(join(found.dir, "config.json")).equals(CONFIG)).toBe(true);
    expect(hub.requests.filter((request) => !/^(config\.json|model\.safetensors) /.test(request))).toEqual([]);
  });

  it("is continued where the connection broke off", async () => {
    hub.breaks.set("model.safetensors", 100_000);
    const { dir } = await download();
    expect(readFileSync(join(dir, "model.safetensors")).equals(WEIGHTS)).toBe(true);
    const ranges = hub.requests.filter((request) => request.startsWith("model") && !request.endsWith("bytes=0-0"));
    expect(ranges).toHaveLength(2);
    expect(ranges[1]).toMatch(/bytes=[1-9]\d*-299999$/);
  });

  it("is not asked for again when its files are there", async () => {
    await download();
    hub.requests.length = 0;
    await download();
    expect(hub.requests).toEqual([]);
  });

  it("starts without the hub once it is complete, and says why it is not asked", async () => {
    const { dir } = await download();
    await hub.close();
    expect((await download()).dir).toBe(dir);
    expect(notices).toEqual([expect.stringMatching(/^The copy of .* is served, since .* cannot be reached/)]);
  });

  it.each([
    ["429", answerWith(429, {}), /answered 429/],
    ["401", answerWith(401, {}), /set HF_TOKEN/],
    ["404", answerWith(404, {}), /has no model/],
    ["a sign-in page", answerWith(200, HTML, PAGE), /answered with an HTML page \("Welcome to the hotel"\)/],
    ["half a JSON", answerWith(200, { "content-type": "application/json" }, '{"_id'), /not the hub's JSON/],
  ])("starts with its complete copy when the hub answers with %s", async (_, instead, reason) => {
    const { dir } = await download();
    hub.instead = instead;
    expect((await download()).dir).toBe(dir);
    expect(notices).toEqual([expect.stringMatching(reason)]);
  });

  it("starts with its complete copy when no answer comes in time", async () => {
    const { dir } = await download();
    hub.instead = () => true;
    vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => {
      const controller = new AbortController();
      expect(ms).toBe(10_000);
      setImmediate(() => controller.abort(new DOMException("late", "TimeoutError")));
      return controller.signal;
    });
    expect((await download()).dir).toBe(dir);
    expect(notices).toEqual([expect.stringMatching(/gave no answer .* within 10 seconds/)]);
  });

  it.each([
    [429, "0"],
    [503, "0"],
    [503, new Date(0).toUTCString()],
  ])("is asked for again after one %d, when its Retry-After (%s) says", async (status, retryAfter) => {
    let left = 1;
    hub.instead = (request, response) =>
      left-- > 0 && answerWith(status, { "retry-after": retryAfter })(request, response);
    expect((await download()).dir).toContain(COMMIT);
  });

  it("is asked for again after a connection that was reset", async () => {
    let left = 1;
    hub.instead = (request) => left-- > 0 && request.socket.destroy().destroyed;
    expect((await download()).dir).toContain(COMMIT);
  });

  it("from behind a sign-in page is one sentence that says so", async () => {
    hub.instead = answerWith(200, HTML, PAGE);
    await expect(download()).rejects.toThrow(/HTML page .* stands in between/);
  });

  it("is downloaded once by three first starts on one data folder, and all three have it", async () => {
    const all = await Promise.all([download(), download(), download()]);
    expect(new Set(all.map(({ dir }) => dir)).size).toBe(1);
    expect(readFileSync(join(all[0].dir, "model.safetensors")).equals(WEIGHTS)).toBe(true);
    expect(hub.requests.filter((request) => /^model.* bytes=0-0/.test(request))).toHaveLength(1);
    expect(readdirSync(all[0].dir).toSorted()).toEqual(["config.json", "model.safetensors"]);
  });

  it("goes on from what a killed start has left, whatever it is called", async () => {
    const { dir } = await download();
    rmSync(join(dir, "model.safetensors"));
    for (const [name, bytes] of [
      ["model.safetensors.0011.part", 100_000],
      ["model.safetensors.part", 200_000],
    ] as const)
      writeFileSync(join(dir, name), WEIGHTS.subarray(0, bytes));
    hub.requests.length = 0;
    await download();
    expect(hub.requests).toContain("model.safetensors bytes=200000-299999");
    expect(readdirSync(dir).toSorted()).toEqual(["config.json", "model.safetensors"]);
  });

  it("asks for a pull request's revision as the hub calls it", async () => {
    const { dir } = await download(`${NAME}@refs/pr/1`);
    const names = announcedNames([{ model: `${NAME}@refs/pr/1`, modelId: undefined }]);
    expect([hub.revisions, names]).toEqual([["refs/pr/1"], [NAME]]);
    await hub.close();
    expect((await download(`${NAME}@refs/pr/1`)).dir).toBe(dir);
  });

  it("is served offline from its copy without a word to the hub, and without one says what to do", async () => {
    await expect(download(NAME, true)).rejects.toThrow(/HF_HUB_OFFLINE is set and there is no complete copy/);
    const { dir } = await download();
    hub.revisions.length = 0;
    expect((await download(NAME, true)).dir).toBe(dir);
    expect([hub.revisions, notices]).toEqual([[], []]);
  });

  it("says of a data folder that cannot be written what to do", async () => {
    data = "/proc/no-such-folder";
    await expect(download()).rejects.toThrow(/^\/proc\/no-such-folder\/.* cannot be made: .* --data/);
  });

  it("is refused when a file has another content than the hub states, and leaves none under its name", async () => {
    hub.statedHashes.set("model.safetensors", "0".repeat(64));
    await expect(download()).rejects.toThrow(/model\.safetensors arrived twice with another content/);
    expect(existsSync(join(data, "models", "owner", "Model-1.5", COMMIT, "model.safetensors"))).toBe(false);
  });

  it.each([
    [404, /has no model owner\/Model-1.5 at revision v2/],
    [401, /set HF_TOKEN/],
    [500, /answered 500/],
  ])("that the hub answers with %d is one clear sentence", async (status, sentence) => {
    hub.refuseWith = status;
    const failed = download(`${NAME}@v2`);
    await expect(failed).rejects.toThrow(StartError);
    await expect(failed).rejects.toThrow(sentence);
  });

  it("from a hub that cannot be reached is one clear sentence", async () => {
    await hub.close();
    await expect(download()).rejects.toThrow(/cannot be reached for owner\/Model-1.5/);
  });

  it("without config.json is no checkpoint", async () => {
    hub.files.delete("config.json");
    await expect(download()).rejects.toThrow(/no config.json/);
  });
});

describe("names of repositories", () => {
  it("are owner/name with an optional revision, and nothing that leads elsewhere", () => {
    expect(parseRepository("a/b")).toEqual({ name: "a/b", revision: "main" });
    expect(parseRepository("a/b@v1.0")).toEqual({ name: "a/b", revision: "v1.0" });
    expect(parseRepository("a/b@refs/pr/1")).toEqual({ name: "a/b", revision: "refs/pr/1" });
    for (const text of ["a", "./a/b", "a/b/c", "../a", "a/..", "a/b@", "a/b@x/", "a/b@../x", "/a/b"])
      expect(parseRepository(text)).toBeUndefined();
  });

  it("bring weights, configuration and tokenizer alone", () => {
    for (const path of [
      "model-00001-of-00002.safetensors",
      "tokenizer.json",
      "merges.txt",
      "chat_template.jinja",
      "1_Pooling/config.json",
      "1_LogitScore/config.json",
    ])
      expect(isNeeded(path)).toBe(true);
    for (const path of [
      "pytorch_model.bin",
      "onnx/model.onnx",
      "modeling.py",
      "../x.json",
      "sub/config.json",
      ".x.json",
      "a\\..\\..\\x.json",
      "a\n.json",
      "a\0.json",
      "a b.json",
    ])
      expect(isNeeded(path)).toBe(false);
  });
});
