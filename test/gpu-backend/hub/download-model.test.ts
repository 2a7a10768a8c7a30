import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { StartError } from "../../../gpu-backend/config.ts";
import { findModel } from "../../../gpu-backend/hub/find-model.ts";
import { isNeeded, parseRepository } from "../../../gpu-backend/hub/repository.ts";
import { COMMIT, type FakeHub, startFakeHub } from "./fake-hub.ts";

const NAME = "owner/Model-1.5";
const WEIGHTS = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 31) % 251));
const CONFIG = Buffer.from('{"model_type":"qwen3"}');

describe("a model from the hub", () => {
  let hub: FakeHub;
  let data: string;
  const download = (model = NAME) =>
    findModel({ model, modelId: undefined, data, hfEndpoint: hub.url, hfToken: undefined }, () => undefined);

  beforeEach(async () => {
    data = mkdtempSync(join(tmpdir(), "hub-"));
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
    expect(found).toEqual({ dir: join(data, "models", "owner", "Model-1.5", COMMIT), modelId: NAME, downloaded: true });
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

  it("starts without the hub once it is complete", async () => {
    const { dir } = await download();
    await hub.close();
    expect((await download()).dir).toBe(dir);
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
    for (const text of ["a", "./a/b", "a/b/c", "../a", "a/..", "a/b@", "a/b@x/y", "/a/b"])
      expect(parseRepository(text)).toBeUndefined();
  });

  it("bring weights, configuration and tokenizer alone", () => {
    for (const path of ["model-00001-of-00002.safetensors", "tokenizer.json", "merges.txt", "1_Pooling/config.json"])
      expect(isNeeded(path)).toBe(true);
    for (const path of [
      "pytorch_model.bin",
      "onnx/model.onnx",
      "modeling.py",
      "../x.json",
      "sub/config.json",
      ".x.json",
    ])
      expect(isNeeded(path)).toBe(false);
  });
});
