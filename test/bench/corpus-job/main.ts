// npm run bench:embed [-- --texts N] [-- --pairs N]: what a corpus job takes of memory over N short texts, against an API
// that answers at once; and how fast it is on the demo model beside a plain loop over the same API, in alternating pairs.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { removeFolder, startTestServer, temporaryFolder } from "../../support/dev-server.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const SAMPLE_MS = 100;
/** A plain loop: requests at a time, texts of each. */
const LOOP = { requests: 4, texts: 64 };
const WORDS = "river mountain password reset office sunday open settings security window garden silver market".split(
  " ",
);

const { values } = parseArgs({ options: { texts: { type: "string" }, pairs: { type: "string" } } });
const folder = mkdtempSync(join(tmpdir(), "gigarouter-bench-"));
await memory(Number(values.texts ?? 100_000));
await rate(Number(values.pairs ?? 4));
rmSync(folder, { recursive: true, force: true });

/** `count` short texts that no other call has. */
function corpusOf(count: number, name: string): string {
  const path = join(folder, `${name}.jsonl`);
  const lines = Array.from({ length: count }, (_, index) => {
    const words = Array.from({ length: 8 }, (_word, at) => WORDS[(index * 7 + at * (index % 5)) % WORDS.length]);
    return JSON.stringify({ id: index, text: `${name} ${index} ${words.join(" ")}` });
  });
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
}

interface Ran {
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** MiB, every SAMPLE_MS. */
  readonly resident: readonly number[];
}

async function runJob(corpus: string, url: string, key: string, out: string): Promise<Ran> {
  const args = ["scripts/embed.mjs", corpus, "--out", out, "--url", url, "--yes"];
  const startedMs = performance.now();
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { ...process.env, GIGAROUTER_API_KEY: key },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const ended = once(child, "exit");
  const resident: number[] = [];
  let ticks = 0;
  while (child.exitCode === null) {
    const [status, stat] = [read(child.pid, "status"), read(child.pid, "stat")];
    const kib = /^VmRSS:\s+(\d+)/m.exec(status)?.[1];
    if (kib !== undefined) resident.push(Number(kib) / 1024);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    ticks = Math.max(ticks, Number(fields[11] ?? 0) + Number(fields[12] ?? 0));
    await Promise.race([sleep(SAMPLE_MS), ended]);
  }
  if (child.exitCode !== 0) throw new Error(`the job ended with ${child.exitCode}`);
  return { seconds: (performance.now() - startedMs) / 1000, cpuSeconds: ticks / 100, resident };
}

function read(pid: number | undefined, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return "";
  }
}

async function memory(count: number): Promise<void> {
  const api = spawn(process.execPath, ["--import", "tsx", join(import.meta.dirname, "fast-api.ts")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const url = String((await once(api.stdout.setEncoding("utf8"), "data"))[0]).trim();
  const { cpuSeconds, resident } = await runJob(corpusOf(count, "memory"), url, "key", join(folder, "out"));
  const eighth = Math.ceil(resident.length / 8);
  const peaks = Array.from({ length: 8 }, (_, at) => Math.max(...resident.slice(at * eighth, (at + 1) * eighth)));
  print(
    `${count} texts: ${cpuSeconds.toFixed(1)} s of CPU (${Math.round(count / cpuSeconds)} texts a CPU second); MiB at most in each eighth of the time: ${peaks.map(Math.round).join(", ")}`,
  );
  api.kill();
}

/** Texts a second of the loop and of the job, in turn. */
async function rate(pairs: number): Promise<void> {
  const dataDir = temporaryFolder();
  const server = await startTestServer(dataDir);
  const { url, apiKey, model } = server;
  const texts = 1536;
  const ratios: number[] = [];
  for (let pair = 0; pair <= pairs; pair += 1) {
    const plain = linesOf(corpusOf(texts, `plain-${pair}`));
    const startedMs = performance.now();
    await loop(url, apiKey, model, plain);
    const loopS = (performance.now() - startedMs) / 1000;
    const out = join(folder, `rate-${pair}`);
    const { seconds } = await runJob(corpusOf(texts, `job-${pair}`), url, apiKey, out);
    if (pair === 0) continue;
    const jobS = embeddingSeconds(out);
    ratios.push(loopS / jobS);
    print(
      `pair ${pair}: the loop ${Math.round(texts / loopS)} texts/s, the job ${Math.round(texts / jobS)}; with start, quote and output ${Math.round(texts / seconds)}`,
    );
  }
  ratios.sort((left, right) => left - right);
  const shown = ratios.map((value) => value.toFixed(2));
  print(`the job's rate over the loop's: ${shown.join(", ")}`);
  await server.stop();
  removeFolder(dataDir);
}

/** From the moment the job was begun to its last answer: the quote is before, the output behind. */
function embeddingSeconds(out: string): number {
  const atMs = (name: string): number => statSync(join(out, "job", name)).mtimeMs;
  return (atMs("journal.jsonl") - atMs("job.json")) / 1000;
}

function linesOf(path: string): string[] {
  const lines = readFileSync(path, "utf8").trim().split("\n");
  return lines.map((line) => (JSON.parse(line) as { text: string }).text);
}

async function loop(url: string, key: string, model: string, texts: readonly string[]): Promise<void> {
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < texts.length) {
      const input = texts.slice(next, (next += LOOP.texts));
      const response = await fetch(`${url}/v1/embeddings`, {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json", "x-tier": "batch" },
        body: JSON.stringify({ model, input, encoding_format: "base64" }),
      });
      if (!response.ok) throw new Error(`the loop got ${response.status}: ${await response.text()}`);
      await response.json();
    }
  };
  await Promise.all(Array.from({ length: LOOP.requests }, caller));
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
