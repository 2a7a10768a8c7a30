// How much the Workers runtime grows while the largest file goes through it: uploaded, downloaded, run as a batch, and
// the batch's output read. Peaks are the kernel's (VmHWM of workerd), because the 128 MB limit of a Worker is not
// enforced locally; seconds are of a loopback and of a fake backend, and tell nothing of a GPU.
//
//   npm run bench:files            100 MB, 50,000 lines, vectors of 2,560 dimensions
//   npm run bench:files -- 10      10 MB

import { readFileSync, writeFileSync } from "node:fs";
import { childrenOf } from "../../../scripts/dev-server/processes.ts";
import { removeFolder, temporaryFolder } from "../../support/dev-server.ts";
import { FAKE_MODEL, startEdgeUnderTest } from "../../support/edge-server.ts";
import type { EdgeUnderTest } from "../../support/edge-server.ts";

const MEGABYTES = Number(process.argv[2] ?? 100);
const LINE_BYTES = 2000;
const LINES = Math.floor((MEGABYTES * 1_000_000) / LINE_BYTES);
const DIMENSIONS = 2560;
const MIB = 1024 * 1024;
const BOUNDARY = "bench-boundary";
const POLL_MS = 500;
/** Lines of the first, unmeasured round: code compiled, heap at its working size. */
const WARM_LINES = 200;

const folder = temporaryFolder();
const edge = await startEdgeUnderTest(folder, 1, { dimensions: DIMENSIONS });
try {
  const account = await edge.newAccount("off");
  const pid = childrenOf(process.pid, /workerd/).at(-1) ?? 0;
  await round(account.apiKey, WARM_LINES, (_, work) => work());
  console.log(`${MEGABYTES} MB, ${LINES} lines, ${DIMENSIONS} dimensions`);
  await round(account.apiKey, LINES, (name, work) => measured(pid, name, work));
} finally {
  await edge.stop();
  removeFolder(folder);
}

type Measure = (name: string, work: () => Promise<string>) => Promise<string>;

async function round(key: string, lines: number, measure: Measure): Promise<void> {
  const fileId = await measure("upload", () => upload(edge, key, lines));
  await measure("download", () => download(edge, key, fileId));
  const outputId = await measure("batch", () => runBatch(edge, key, fileId));
  await measure("output", () => download(edge, key, outputId));
}

async function measured(pid: number, name: string, work: () => Promise<string>): Promise<string> {
  const status = (field: string) =>
    Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
  // "5" resets the peak to what is resident now.
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
  const before = status("VmRSS");
  const startedMs = performance.now();
  const result = await work();
  const seconds = (performance.now() - startedMs) / 1000;
  const growth = (status("VmHWM") - before) / MIB;
  console.log(`${name.padEnd(9)} ${seconds.toFixed(1).padStart(6)} s   grew by ${growth.toFixed(0)} MiB`);
  return result;
}

function lineOf(index: number): string {
  const start = `{"custom_id":"${index}","method":"POST","url":"/v1/embeddings","body":{"model":"${FAKE_MODEL}","encoding_format":"base64","input":"${index} `;
  return `${start}${"word ".repeat(LINE_BYTES).slice(0, LINE_BYTES - start.length - 4)}"}}\n`;
}

async function upload({ url }: EdgeUnderTest, key: string, lines: number): Promise<string> {
  const head = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="bench.jsonl"\r\n\r\n`;
  let index = 0;
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(Buffer.from(head)),
    pull(controller) {
      const part = Array.from({ length: Math.min(50, lines - index) }, (_, offset) => lineOf(index + offset));
      index += part.length;
      if (part.length > 0) controller.enqueue(Buffer.from(part.join("")));
      else {
        controller.enqueue(Buffer.from(`\r\n--${BOUNDARY}--\r\n`));
        controller.close();
      }
    },
  });
  const headers = { ...authorization(key), "content-type": `multipart/form-data; boundary=${BOUNDARY}` };
  return idOf(await fetch(`${url}/v1/files`, { method: "POST", headers, body, duplex: "half" }));
}

async function download({ url }: EdgeUnderTest, key: string, fileId: string): Promise<string> {
  const headers = authorization(key);
  const facts = (await (await fetch(`${url}/v1/files/${fileId}`, { headers })).json()) as Record<string, unknown>;
  const response = await fetch(`${url}/v1/files/${fileId}/content`, { headers });
  let bytes = 0;
  for await (const piece of response.body ?? []) bytes += piece.length;
  if (bytes !== facts["bytes"]) throw new Error(`${bytes} bytes came`);
  return fileId;
}

async function runBatch({ url }: EdgeUnderTest, key: string, fileId: string): Promise<string> {
  const headers = { ...authorization(key), "content-type": "application/json" };
  const body = JSON.stringify({ input_file_id: fileId, endpoint: "/v1/embeddings", completion_window: "24h" });
  const id = await idOf(await fetch(`${url}/v1/batches`, { method: "POST", headers, body }));
  for (;;) {
    const batch = (await (await fetch(`${url}/v1/batches/${id}`, { headers })).json()) as Record<string, unknown>;
    if (batch["status"] === "completed") return String(batch["output_file_id"]);
    if (batch["status"] === "failed") throw new Error(JSON.stringify(batch["errors"]));
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function authorization(key: string): Record<string, string> {
  return { authorization: `Bearer ${key}` };
}

async function idOf(response: Response): Promise<string> {
  if (response.status !== 200) throw new Error(await response.text());
  return String(((await response.json()) as Record<string, unknown>)["id"]);
}
