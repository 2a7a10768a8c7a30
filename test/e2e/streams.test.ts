// A stream of lines from outside: curl and fetch that send and read at once, and kills of client and runtime in the middle
// with the books compared.
import { spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { childrenOf } from "../../scripts/dev-server/processes.ts";
import { DataFolder } from "../../scripts/dev-server/data-folder.ts";
import { call, removeFolder, temporaryFolder } from "../support/dev-server.ts";
import { FAKE_MODEL, startEdgeBefore } from "../support/edge-server.ts";
import { FakeBackendServer, tokensOf } from "../support/fake-backend-server.ts";
import { linesOf } from "../support/stream-lines.ts";
import type { Lines } from "../support/stream-lines.ts";

const NANO_USD_PER_TOKEN = 8;
const POLL = { timeout: 20_000, interval: 20 };
const hasCurl = spawnSync("curl", ["--version"]).status === 0;

const dataDir = temporaryFolder();
const secret = new DataFolder(dataDir).secrets().BACKEND_SECRET;
const backend = new FakeBackendServer({ model: FAKE_MODEL, secret });
let edge: Awaited<ReturnType<typeof startEdgeBefore>>;
let words = 0;

beforeAll(async () => {
  await backend.start();
  edge = await startEdgeBefore(dataDir, FAKE_MODEL, [backend.origin]);
});
afterAll(async () => {
  await Promise.all([edge.edge.stop(), backend.stop()]);
  removeFolder(dataDir);
});

async function killRuntime(): Promise<void> {
  for (const pid of childrenOf(process.pid, /workerd/)) process.kill(pid, "SIGKILL");
  await edge.edge.stop().catch(() => undefined);
  edge = await startEdgeBefore(dataDir, FAKE_MODEL, [backend.origin]);
}

const admin = (path: string, body?: unknown) => call(edge.url, edge.adminKey, path, body);

async function newAccount(): Promise<{ id: string; key: string }> {
  const id = String((await admin("/admin/accounts", { name: "Test" })).body["id"]);
  await admin(`/admin/accounts/${id}/grants`, { amount_usd: 5, kind: "promo", id: "first" });
  return { id, key: String((await admin(`/admin/accounts/${id}/keys`, {})).body["key"]) };
}

const chargedTo = async (id: string) => Number((await admin(`/admin/accounts/${id}`)).body["charged_nano_usd"]);
const costOf = (texts: readonly string[]) => texts.reduce((sum, text) => sum + tokensOf(text), 0) * NANO_USD_PER_TOKEN;

/** Texts that no other test has. */
function newTexts(count: number): string[] {
  words += 1;
  return Array.from({ length: count }, (_, index) => `stream ${words} ${index}`);
}

const jsonLines = (texts: readonly string[]) => texts.map((text) => `${JSON.stringify(text)}\n`).join("");
const urlOf = (query = "") => `${edge.url}/v1/embeddings?model=${FAKE_MODEL}&dimensions=8${query}`;
const headersOf = (key: string) => ({
  authorization: `Bearer ${key}`,
  "content-type": "application/x-ndjson",
});

interface Curl {
  readonly output: () => string;
  readonly ended: Promise<unknown>;
  kill(): void;
}

function curl(key: string, file: string, query = ""): Curl {
  const headers = Object.entries(headersOf(key)).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const child = spawn("curl", ["-sN", "-X", "POST", "-T", file, ...headers, urlOf(query)]);
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
  });
  return {
    output: () => text,
    ended: new Promise((resolve) => child.once("close", resolve)),
    kill: () => void child.kill("SIGKILL"),
  };
}

/** The whole lines of what has come so far. */
const whole = (text: string): Lines => linesOf(text.slice(0, text.lastIndexOf("\n") + 1));

describe.runIf(hasCurl)("curl alone", () => {
  const send = async (key: string, texts: readonly string[], query = ""): Promise<Lines> => {
    const file = join(dataDir, "lines.jsonl");
    writeFileSync(file, jsonLines(texts));
    const running = curl(key, file, query);
    await running.ended;
    return linesOf(running.output());
  };

  test("sends a file and gets its lines back", async () => {
    const { id, key } = await newAccount();
    const texts = newTexts(3000);
    const { items, last } = await send(key, texts);
    expect(items.map(({ index }) => index)).toEqual(texts.map((_, index) => index));
    expect(last).toMatchObject({ complete: true, done: 3000, failed: 0 });
    expect(await chargedTo(id)).toBe(costOf(texts));
  });

  test("killed in the middle, again and again, pays each line once", { timeout: 60_000 }, async () => {
    const { id, key } = await newAccount();
    const texts = newTexts(4000);
    const file = join(dataDir, "killed.jsonl");
    let [done, query] = [0, ""];
    // The last lines come without a report of progress before their end.
    for (let round = 0; round < 3 && texts.length - done > 1500; round += 1) {
      writeFileSync(file, jsonLines(texts.slice(done)));
      const running = curl(key, file, query);
      const begun = done;
      await expect.poll(() => (whole(running.output()).progress.at(-1)?.done ?? 0) > begun, POLL).toBe(true);
      running.kill();
      await running.ended;
      const point = whole(running.output()).progress.at(-1);
      [done, query] = [point?.done ?? 0, `&resume=${point?.resume ?? ""}`];
    }
    const { last } = await send(key, texts.slice(done), query);
    expect(last).toMatchObject({ complete: true, done: 4000 });
    expect(await chargedTo(id)).toBe(costOf(texts));
  });

  test(
    "whose server is killed in the middle resumes at another one, and pays each line once",
    { timeout: 60_000 },
    async () => {
      const { id, key } = await newAccount();
      const texts = newTexts(4000);
      const file = join(dataDir, "server.jsonl");
      writeFileSync(file, jsonLines(texts));
      // So that the stream cannot end before the kill.
      backend.delayMs = 1000;
      const running = curl(key, file);
      await expect.poll(() => (whole(running.output()).progress.at(-1)?.done ?? 0) > 1000, POLL).toBe(true);
      await killRuntime();
      backend.delayMs = 0;
      await running.ended;
      const { last: none, progress } = whole(running.output());
      expect(none).toBeUndefined();
      const [first] = progress;
      const { last } = await send(key, texts, `&resume=${first?.resume ?? ""}`);
      expect(last).toMatchObject({ complete: true, done: 4000 });
      expect(await chargedTo(id)).toBe(costOf(texts));
    },
  );
});

test("fetch of Node sends a line, reads its answer, and sends the next", async () => {
  const { key } = await newAccount();
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const encoder = new TextEncoder();
  const sendLine = (text: string) => writer.write(encoder.encode(`${JSON.stringify(text)}\n`));
  const asked = fetch(urlOf(), { method: "POST", headers: headersOf(key), body: readable, duplex: "half" });
  await sendLine("line 0");
  const reader = (await asked).body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (let line = 0; line < 4; line += 1) {
    while (!text.includes(`{"index":${line},`)) text += (await reader?.read())?.value ?? "";
    if (line < 3) await sendLine(`line ${line + 1}`);
  }
  await writer.close();
  while (whole(text).last === undefined) text += (await reader?.read())?.value ?? "";
  expect(whole(text).items).toHaveLength(4);
  expect(whole(text).last).toMatchObject({ complete: true, done: 4 });
});
