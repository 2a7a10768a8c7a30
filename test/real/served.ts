// A model behind `npm start`, as a customer reaches it.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as z from "zod";

const WELCOME = /URL\s+(\S+)[\s\S]*API key\s+(\S+)[\s\S]*Model\s+(\S+)/;
const answerSchema = z.object({ data: z.array(z.object({ embedding: z.string() })) });
const tokensSchema = z.object({ data: z.array(z.object({ tokens: z.array(z.int()) })) });

export class ServedModel {
  readonly #child: ChildProcess;
  readonly #url: string;
  readonly #key: string;
  readonly id: string;

  private constructor(child: ChildProcess, [url, key, id]: readonly [string, string, string]) {
    this.#child = child;
    this.#url = url;
    this.#key = key;
    this.id = id;
  }

  /** Starts `npm start -- --model DIR` on a free port, its state under `data`. Rejects with what it says if it ends. */
  static async start(model: string, data: string): Promise<ServedModel> {
    const args = ["start", "--", "--port", "0", "--model", model, "--data", data];
    const child = spawn("npm", args, { stdio: ["ignore", "pipe", "pipe"], detached: true });
    let said = "";
    return new Promise((resolve, reject) => {
      const hear = (chunk: Buffer): void => {
        said += chunk.toString("utf8");
        const [, url, key, id] = WELCOME.exec(said) ?? [];
        if (url !== undefined && key !== undefined && id !== undefined) resolve(new ServedModel(child, [url, key, id]));
      };
      child.stdout.on("data", hear);
      child.stderr.on("data", hear);
      child.on("error", reject);
      child.on("exit", () => reject(new Error(`npm start ended:\n${said.slice(-2_000)}`)));
    });
  }

  /** Vectors of `texts`, computed anew, each normalised by the API, float32. */
  async embed(texts: readonly string[]): Promise<readonly Float32Array[]> {
    const { data } = answerSchema.parse(
      await this.#post("/v1/embeddings", { model: this.id, input: texts, encoding_format: "base64", truncate: "end" }),
    );
    return data.map(({ embedding }) => {
      const bytes = Uint8Array.from(Buffer.from(embedding, "base64"));
      return new Float32Array(bytes.buffer);
    });
  }

  async tokenize(texts: readonly string[]): Promise<readonly (readonly number[])[]> {
    const { data } = tokensSchema.parse(await this.#post("/v1/tokenize", { model: this.id, input: texts }));
    return data.map(({ tokens }) => tokens);
  }

  async stop(): Promise<void> {
    const { pid } = this.#child;
    if (pid === undefined || this.#child.exitCode !== null) return;
    const ended = once(this.#child, "exit");
    process.kill(-pid, "SIGTERM");
    await ended;
  }

  async #post(path: string, body: object): Promise<unknown> {
    const response = await fetch(this.#url + path, {
      method: "POST",
      headers: {
        authorization: `Bearer ${this.#key}`,
        "content-type": "application/json",
        "cache-control": "no-store",
      },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }
}
