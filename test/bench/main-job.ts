// The main job, measured: `npm run bench:main`. Time from `npm start` (installed, model compiled) to ready; what the
// edge adds to the backend alone, alternating pairs; tokens/s of the demo model through both. Medians with their range.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { FRAME_CONTENT_TYPE, encodeFrame } from "../../shared/frame.ts";
import { WIRE_VERSION } from "../../shared/wire.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const STARTS = 5;
const PAIRS = 200;
const WARM_UP = 30;
const THROUGHPUT_ROUNDS = 10;
const TEXTS_PER_REQUEST = 64;

interface DevFile {
  readonly url: string;
  readonly apiKey: string;
  readonly model: string;
  readonly backendUrl: string;
}

const dataDir = mkdtempSync(join(tmpdir(), "gigarouter-bench-"));
const startMs: number[] = [];
for (let run = 0; run <= STARTS; run += 1) {
  const started = await start();
  if (run > 0) startMs.push(started.readyMs);
  if (run === STARTS) await measureCalls(started.file);
  started.child.kill("SIGINT");
  await once(started.child, "exit");
}
print("npm start to ready, ms", startMs);
rmSync(dataDir, { recursive: true, force: true });

async function start() {
  const begunMs = performance.now();
  const child = spawn(process.execPath, ["scripts/start.mjs", "--port", "0", "--data", dataDir], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "ignore"],
  });
  let output = "";
  for await (const chunk of child.stdout.setEncoding("utf8").iterator({ destroyOnReturn: false })) {
    output += String(chunk);
    if (output.includes("Ctrl-C stops everything")) break;
  }
  child.stdout.resume();
  const file = JSON.parse(readFileSync(join(dataDir, "dev.json"), "utf8")) as DevFile;
  return { child, file, readyMs: performance.now() - begunMs };
}

async function measureCalls(file: DevFile): Promise<void> {
  const secrets = JSON.parse(readFileSync(join(dataDir, "secrets.json"), "utf8")) as { BACKEND_SECRET: string };
  const edge = (input: string | string[]) =>
    timed(
      `${file.url}/v1/embeddings`,
      { authorization: `Bearer ${file.apiKey}`, "content-type": "application/json" },
      JSON.stringify({ model: file.model, input, encoding_format: "base64" }),
    );
  const backend = (texts: string[]) =>
    timed(
      `${file.backendUrl}/embed`,
      {
        authorization: `Bearer ${secrets.BACKEND_SECRET}`,
        "content-type": FRAME_CONTENT_TYPE,
        "x-request-id": "bench",
        "x-deadline-ms": "60000",
      },
      encodeFrame(
        JSON.stringify({
          version: WIRE_VERSION,
          model: file.model,
          revision: null,
          account: "bench",
          tier: "interactive",
          truncate: "none",
          prefix: "",
          texts,
        }),
        new Uint8Array(),
      ),
    );
  const bare: number[] = [];
  const through: number[] = [];
  for (let pair = 0; pair < PAIRS + WARM_UP; pair += 1) {
    const first = await backend([`a short text for pair ${pair}, straight`]);
    const second = await edge(`a short text for pair ${pair}, through`);
    if (pair < WARM_UP) continue;
    bare.push(first.ms);
    through.push(second.ms);
  }
  print("backend alone, one short text, ms", bare);
  print("edge and backend, one short text, ms", through);
  print(
    "added by the edge, pair by pair, ms",
    through.map((ms, pair) => ms - (bare[pair] ?? 0)),
  );
  const rates: number[] = [];
  for (let round = 0; round < THROUGHPUT_ROUNDS; round += 1) {
    const input = Array.from(
      { length: TEXTS_PER_REQUEST },
      (_, i) => `${round} ${i} ${"the quick brown fox jumps over the lazy dog ".repeat(14)}`,
    );
    const { ms, body } = await edge(input);
    rates.push(((JSON.parse(body) as { usage: { prompt_tokens: number } }).usage.prompt_tokens / ms) * 1000);
  }
  print(`tokens/s through edge and backend, ${TEXTS_PER_REQUEST} texts of about 130 tokens a request`, rates);
}

async function timed(url: string, headers: Record<string, string>, body: string | Uint8Array<ArrayBuffer>) {
  const begunMs = performance.now();
  const response = await fetch(url, { method: "POST", headers, body });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${url}: ${response.status} ${text.slice(0, 300)}`);
  return { ms: performance.now() - begunMs, body: text };
}

function print(what: string, values: readonly number[]): void {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(2);
  console.log(`${what}: median ${at(0.5)}, p99 ${at(0.99)}, range ${at(0)} to ${at(1)} (n ${sorted.length})`);
}
