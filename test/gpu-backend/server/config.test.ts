import { describe, expect, it } from "vitest";

import { readConfig, StartError } from "../../../gpu-backend/config.ts";

const environment = { BACKEND_SECRET: "0123456789abcdef", MODEL: "from/environment" };

describe("settings", () => {
  it("come from flags first, then from variables, then from their defaults", () => {
    const config = readConfig(["--port", "0", "--queue-seconds-max", "3"], {
      ...environment,
      QUEUE_SECONDS_MAX: "4",
      BATCH_TEXTS_MAX: "7",
      HOST: "",
    });
    expect(config).toMatchObject({
      models: [{ model: "from/environment" }],
      port: 0,
      queueSecondsMax: 3,
      batchTextsMax: 7,
      host: "127.0.0.1",
    });
  });

  it("take several models, by a repeated flag or a variable with commas, each with its name", () => {
    const models = [
      { model: "a/b", modelId: undefined },
      { model: "c/d", modelId: undefined },
    ];
    expect(readConfig(["--model", "a/b", "--model", "c/d"], environment)).toMatchObject({ models });
    expect(readConfig([], { ...environment, MODEL: "a/b,c/d" })).toMatchObject({ models });
    expect(readConfig([], { ...environment, MODEL: "a/b,c/d", MODEL_ID: "x/y,z/z" })).toMatchObject({
      models: [{ modelId: "x/y" }, { modelId: "z/z" }],
    });
  });

  it("share the processors out among the models, one at least", () => {
    const threads = (count: number) =>
      readConfig(Array.from({ length: count }, () => ["--model", "a/b"]).flat(), environment).threads;
    expect(threads(2)).toBe(Math.max(1, Math.floor(threads(1) / 2)));
    expect(threads(1_000)).toBe(1);
    expect(readConfig(["--threads", "3", "--model", "a/b", "--model", "c/d"], environment).threads).toBe(3);
  });

  it("default to exact vectors everywhere, to all cores on a CPU and to one thread on a GPU", () => {
    expect(readConfig([], environment)).toMatchObject({ target: "cpu", precision: "exact" });
    expect(readConfig([], environment).threads).toBeGreaterThanOrEqual(1);
    expect(readConfig(["--target", "cuda-bf16"], environment)).toMatchObject({ precision: "exact", threads: 1 });
  });

  it.each([
    [["--port", "70000"], environment, /^--port \(or PORT\) is not right/],
    [["--target", "tpu"], environment, /^--target \(or TARGET\) is not right/],
    [["--linears", "int4"], environment, /^--linears \(or LINEARS\) is not right: .*"int8-pairs, down_proj float32"/],
    [["--linears", "float32", "--target", "cuda-bf16"], environment, /^--linears \(or LINEARS\) is for --target cpu/],
    [["--precision", "int8"], environment, /^--precision \(or PRECISION\) is not right/],
    [["--model", "a/b", "--model", "c/d", "--model-id", "x/y"], environment, /^--model-id .* names 1 of 2 models/],
    [[], { BACKEND_SECRET: "0123456789abcdef" }, /^--model \(or MODEL\) is missing/],
    [["--model", "x"], {}, /^BACKEND_SECRET is missing/],
    [["--model", "x"], { BACKEND_SECRET: "short" }, /^BACKEND_SECRET is not right/],
    [["--backend-secret", "0123456789abcdef"], environment, /--backend-secret/],
    [["--nonsense"], environment, /--nonsense/],
  ])("that are wrong end the start with a sentence that names them: %j", (args, variables, sentence) => {
    expect(() => readConfig(args, variables)).toThrow(StartError);
    expect(() => readConfig(args, variables)).toThrow(sentence);
  });

  it("never show a secret in their complaint", () => {
    expect(() => readConfig(["--model", "x"], { BACKEND_SECRET: "hunter2" })).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining("hunter2") }),
    );
  });
});
