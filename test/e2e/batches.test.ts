// Files and batches through OpenAI's own Node SDK, unmodified, against the real Workers runtime; and a runtime that is
// killed with SIGKILL in the middle of a batch.
import { createConnection } from "node:net";
import OpenAI, { NotFoundError, toFile } from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { childrenOf } from "../../scripts/dev-server/processes.ts";
import { removeFolder, temporaryFolder } from "../support/dev-server.ts";
import { FAKE_MODEL, startEdgeBefore, startEdgeUnderTest } from "../support/edge-server.ts";
import type { EdgeUnderTest } from "../support/edge-server.ts";

const SLICE_LINES = 1024;
/** Three slices. */
const LINES = 2 * SLICE_LINES + 50;
const POLL = { timeout: 30_000, interval: 50 };
const ENDED = new Set(["completed", "failed", "expired", "cancelled"]);

const folder = temporaryFolder();
let edge: EdgeUnderTest;

beforeAll(async () => {
  edge = await startEdgeUnderTest(folder, 1);
});
afterAll(async () => {
  // The last test has stopped the runtime already.
  await edge.edge.stop().catch(() => undefined);
  await Promise.all(edge.backends.map((backend) => backend.stop()));
  removeFolder(folder);
});

function clientOf(apiKey: string, url = edge.url): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
}

function lineOf(customId: string, input: string): string {
  const body = { model: FAKE_MODEL, input, encoding_format: "base64" };
  return JSON.stringify({ custom_id: customId, method: "POST", url: "/v1/embeddings", body });
}

/** A letter is a token, the ending token one more; a token costs 4 nano-USD in a batch. */
function priceOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + (text.length + 1) * 4, 0);
}

function linesOf(text: string): { custom_id: string; response: { body: { data: { embedding: unknown }[] } } | null }[] {
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as ReturnType<typeof linesOf>[number]);
}

async function ended(openai: OpenAI, id: string): Promise<OpenAI.Batch> {
  await expect.poll(async () => ENDED.has((await openai.batches.retrieve(id)).status), POLL).toBe(true);
  return openai.batches.retrieve(id);
}

test("a batch goes from upload to result and away again as OpenAI's SDK expects it", async () => {
  const account = await edge.newAccount();
  const openai = clientOf(account.apiKey);
  const texts = ["first", "second", "third"];
  const content = texts.map((text, index) => lineOf(`r${index}`, text)).join("\n");
  const file = await openai.files.create({ file: await toFile(Buffer.from(content), "in.jsonl"), purpose: "batch" });
  expect(file).toMatchObject({
    object: "file",
    bytes: Buffer.byteLength(content),
    filename: "in.jsonl",
    purpose: "batch",
  });
  expect(await openai.files.retrieve(file.id)).toEqual(file);
  expect(await (await openai.files.content(file.id)).text()).toBe(content);

  const made = await openai.batches.create({
    input_file_id: file.id,
    endpoint: "/v1/embeddings",
    completion_window: "24h",
    metadata: { project: "test" },
  });
  expect(made).toMatchObject({ object: "batch", status: "validating", metadata: { project: "test" } });
  const batch = await ended(openai, made.id);
  expect(batch).toMatchObject({ status: "completed", request_counts: { total: 3, completed: 3, failed: 0 } });
  const output = linesOf(await (await openai.files.content(batch.output_file_id ?? "")).text());
  expect(output.map((line) => line.custom_id)).toEqual(["r0", "r1", "r2"]);
  const live = await openai.embeddings.create({ model: FAKE_MODEL, input: "second", encoding_format: "base64" });
  expect(output[1]?.response?.body.data[0]?.embedding).toBe(live.data[0]?.embedding);

  const listed: string[] = [];
  for await (const one of openai.batches.list({ limit: 1 })) listed.push(one.id);
  expect(listed).toEqual([made.id]);
  const files: string[] = [];
  for await (const one of openai.files.list({ limit: 1, order: "asc" })) files.push(one.purpose);
  expect(files).toEqual(["batch", "batch_output"]);
  expect(await openai.files.delete(file.id)).toEqual({ id: file.id, object: "file", deleted: true });
  await expect(openai.files.retrieve(file.id)).rejects.toThrow(NotFoundError);
});

test("an upload whose client goes in the middle leaves nothing behind", async () => {
  const account = await edge.newAccount();
  const { hostname, port } = new URL(edge.url);
  const socket = createConnection({ host: hostname, port: Number(port) });
  socket.on("error", () => undefined);
  const head = '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n';
  socket.write(
    `POST /v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${account.apiKey}\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: 50000000\r\n\r\n${head}`,
  );
  socket.write(Buffer.alloc(5 * 1024 * 1024, "x"));
  const bucket = await edge.edge.miniflare.getR2Bucket("FILES");
  const chunks = async () => (await bucket.list({ prefix: `files/${account.accountId}/` })).objects.length;
  await expect.poll(chunks, POLL).toBe(1);
  socket.resetAndDestroy();
  await expect.poll(chunks, POLL).toBe(0);
  expect((await clientOf(account.apiKey).files.list()).data).toEqual([]);
});

test("a batch is cancelled through OpenAI's SDK", async () => {
  const account = await edge.newAccount();
  const openai = clientOf(account.apiKey);
  for (const backend of edge.backends) backend.fault = "503";
  const file = await openai.files.create({ file: await toFile(Buffer.from(lineOf("c", "c"))), purpose: "batch" });
  const { id } = await openai.batches.create({
    input_file_id: file.id,
    endpoint: "/v1/embeddings",
    completion_window: "24h",
  });
  await expect.poll(async () => (await openai.batches.retrieve(id)).status, POLL).toBe("in_progress");
  expect((await openai.batches.cancel(id)).status).toMatch(/cancel/);
  for (const backend of edge.backends) backend.fault = "none";
  expect(await ended(openai, id)).toMatchObject({ status: "cancelled" });
  expect(await account.charged()).toBe(0);
});

test("kill -9 in the middle of a batch loses no line, and charges none twice", async () => {
  const account = await edge.newAccount();
  const openai = clientOf(account.apiKey);
  const texts = Array.from({ length: LINES }, (_, index) => `text ${index}`);
  const content = texts.map((text, index) => lineOf(`${index}`, text)).join("\n");
  const file = await openai.files.create({ file: await toFile(Buffer.from(content), "in.jsonl"), purpose: "batch" });
  const [backend] = edge.backends;
  if (backend === undefined) throw new Error("no backend");
  backend.delayMs = 300;
  const textsBefore = backend.texts;
  const { id } = await openai.batches.create({
    input_file_id: file.id,
    endpoint: "/v1/embeddings",
    completion_window: "24h",
  });
  await expect
    .poll(async () => (await openai.batches.retrieve(id)).request_counts?.completed ?? 0, { ...POLL, interval: 20 })
    .toBeGreaterThan(0);
  const [runtime] = childrenOf(process.pid, /workerd/);
  process.kill(runtime ?? 0, "SIGKILL");
  await edge.edge.stop().catch(() => undefined);
  const again = await startEdgeBefore(folder, FAKE_MODEL, [backend.origin]);
  try {
    // Nobody asks for it: its alarm goes on.
    const batch = await ended(clientOf(account.apiKey, again.url), id);
    expect(batch).toMatchObject({ status: "completed", request_counts: { total: LINES, completed: LINES, failed: 0 } });
    const output = await clientOf(account.apiKey, again.url).files.content(batch.output_file_id ?? "");
    expect(linesOf(await output.text()).map((line) => line.custom_id)).toEqual(texts.map((_, index) => `${index}`));
    const headers = { authorization: `Bearer ${edge.adminKey}` };
    const books = await fetch(`${again.url}/admin/accounts/${account.accountId}`, { headers });
    expect(await books.json()).toMatchObject({ charged_nano_usd: priceOf(texts) });
    // What was in flight, at most one slice, was computed again.
    expect(backend.texts - textsBefore).toBeLessThanOrEqual(LINES + SLICE_LINES);
  } finally {
    await again.edge.stop();
  }
});
