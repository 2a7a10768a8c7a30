import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { copyCheckpoint } from "../copy-checkpoint.ts";
import { zooTokenizer } from "../tokenizer/zoo.ts";
import {
  DEMO_DIR,
  embedded,
  faultIn,
  MODEL,
  post,
  type RunningBackend,
  SECRET,
  startBackend,
  tokenized,
} from "./running-backend.ts";

const OTHER = "local/bert";
const folder = mkdtempSync(join(tmpdir(), "several-"));
const BERT = copyCheckpoint(fileURLToPath(new URL("../../vectors/architectures/bert", import.meta.url)), folder);
const { dir: tokenizer } = zooTokenizer("word-piece-uncased");
cpSync(join(tokenizer, "tokenizer.json"), join(BERT, "tokenizer.json"));
rmSync(tokenizer, { recursive: true });
/** Of tokens that both models have. */
const TEXT = "a b c";
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a backend of two models", () => {
  let backend: RunningBackend;
  beforeAll(async () => {
    backend = await startBackend(["--model", DEMO_DIR, "--model", BERT]);
  });
  afterAll(() => backend.close());
  const get = (path: string) => fetch(backend.origin + path, { headers: { authorization: `Bearer ${SECRET}` } });

  it("answers each call with the vectors, ids and revision of the model it names", async () => {
    const [first, second] = await Promise.all(
      [MODEL, OTHER].map(async (model) => ({
        ...(await embedded(await post(backend.origin, "/embed", { texts: [TEXT], header: { model } }))),
        ids: (await tokenized(await post(backend.origin, "/tokenize", { texts: [TEXT], header: { model } }))).ids,
      })),
    );
    expect(second?.answer.dimensions).not.toBe(first?.answer.dimensions);
    expect(second?.answer.revision).not.toBe(first?.answer.revision);
    expect(second?.ids).not.toEqual(first?.ids);
    expect(second?.vectors).toHaveLength(second?.answer.dimensions ?? 0);
  });

  it("says in /ready and /info what was asked for, and speaks of the first to who names none", async () => {
    const asked = (path: string, model: string) => get(`${path}?model=${encodeURIComponent(model)}`);
    expect(await (await get("/ready")).json()).toMatchObject({ status: "ready", model: MODEL });
    expect(await (await asked("/ready", MODEL)).json()).toMatchObject({ status: "ready", model: MODEL });
    const ready = await asked("/ready", OTHER);
    expect(ready.status).toBe(200);
    expect(await ready.json()).toMatchObject({ model: OTHER, models: [MODEL, OTHER], architecture: "bert" });
    expect(await (await asked("/info", OTHER)).json()).toMatchObject({ model: OTHER });
    expect(await (await get("/info")).json()).toMatchObject({ model: MODEL });
  });

  it("names what it serves to who asks for something else", async () => {
    const fault = { code: "model_not_found", message: `This backend serves ${MODEL}, ${OTHER}, not a/b.` };
    expect(await faultIn(await get("/ready?model=a/b"))).toMatchObject(fault);
    expect(
      await faultIn(await post(backend.origin, "/embed", { texts: ["x"], header: { model: "a/b" } })),
    ).toMatchObject(fault);
  });

  it("measures each by its name", async () => {
    const { answer } = await embedded(
      await post(backend.origin, "/embed", { texts: [TEXT], header: { model: OTHER } }),
    );
    const metrics = await (await get("/metrics")).text();
    const tokens = Number(new RegExp(`backend_tokens_total\\{model="${OTHER}"\\} (\\d+)`).exec(metrics)?.[1]);
    expect(tokens).toBeGreaterThanOrEqual(answer.tokens[0] ?? Number.POSITIVE_INFINITY);
    for (const model of [MODEL, OTHER]) {
      expect(metrics).toContain(`backend_ready{model="${model}"} 1`);
      expect(metrics).toContain(`backend_queue_seconds{model="${model}"} 0`);
    }
  });
});

describe("two models", () => {
  it("that do not fit into the memory are refused before either serves, with what each needs", async () => {
    const start = startBackend(["--model", DEMO_DIR, "--model", BERT, "--memory-bytes-max", "700000000"]);
    await expect(start).rejects.toThrow(
      /ended with 1: These models do not fit into one process: gigarouter\/demo-embedding 0\.\d GB, local\/bert 0\.\d GB, and the server 0\.3 GB, are [\d.]+ GB of memory, and it may use 0\.7 GB/,
    );
  });

  it("of one name are refused, and how to tell them apart is said", async () => {
    await expect(startBackend(["--model", BERT, "--model", BERT])).rejects.toThrow(
      /Two models would be called local\/bert: give each a name of its own with --model-id/,
    );
  });
});
