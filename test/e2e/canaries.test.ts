// The program of docs/signatures.md against the real service: it holds, and it does not once a single byte of what the
// service says is another one.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { DevServer } from "../../scripts/dev-server/dev-server.ts";
import { ROOT } from "../../scripts/dev-server/options.ts";
import { CANARIES } from "../../shared/canaries.ts";
import { removeFolder, startTestServer, temporaryFolder } from "../support/dev-server.ts";

const LINES_MAX = 50;
const MODEL = "gigarouter/demo-embedding";
const folder = temporaryFolder();
const program = join(folder, "verify.mjs");
let server: DevServer;

/** The text with its first `"name":"X` changed to another letter. */
const otherLetter = (name: string) => (text: string) =>
  text.replace(
    new RegExp(`("${name}":")(.)`),
    (_, head: string, letter: string) => head + (letter === "A" ? "B" : "A"),
  );
const replaced = (from: RegExp, to: string) => (text: string) => text.replace(from, to);

/** What is changed, in the answers of which path, how, and what the program says of it. */
const LIES: readonly (readonly [string, string, (text: string) => string, string])[] = [
  ["nothing", "", (text) => text, "keep the last hash"],
  ["the time of an entry", "/canaries", replaced(/(created\\":\d{9})\d/, "$1x"), "the signature of entry 0"],
  ["a signature", "/canaries", otherLetter("signature"), "the signature of entry 0"],
  ["a text", "/canaries", replaced(/quick brown/, "quick Brown"), "are those of its entry"],
  ["a promise", "/canaries", replaced(/(distance_max\\":)0/, "$19"), "are those of its entry"],
  ["the key's name", "jwks.json", otherLetter("kid"), "under a key that is not published"],
  ["the key", "jwks.json", otherLetter("x"), "the signature of entry 0"],
  ["the model's vector", "/embeddings", replaced(/("embedding":")..../, "$1AAAA"), "is over 0.00004"],
];

/** The service behind a path that names a lie by its place. */
const liar = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on("data", (part: Buffer) => parts.push(part));
  request.on("end", () => void relay(request, response, Buffer.concat(parts)));
});

async function relay(request: IncomingMessage, response: ServerResponse, body: Buffer): Promise<void> {
  const { url = "", method = "GET", headers } = request;
  const [, place = "", path = ""] = /^\/(\d+)(\/.*)$/.exec(url) ?? [];
  const [, end, change] = LIES[Number(place)] ?? ["", "", (text: string) => text];
  const { authorization = "", "content-type": type = "application/json" } = headers;
  const sent = { method, headers: { authorization, "content-type": type }, ...(method === "POST" && { body }) };
  const answer = await fetch(server.url + path, sent);
  const text = await answer.text();
  response.writeHead(answer.status).end(path.endsWith(end) ? change(text) : text);
}

beforeAll(async () => {
  const page = readFileSync(join(ROOT, "docs/signatures.md"), "utf8");
  const code = /^```js\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? "";
  expect(code.split("\n").length - 1).toBeLessThanOrEqual(LINES_MAX);
  writeFileSync(program, code);
  server = await startTestServer(folder);
  await new Promise<void>((resolve) => liar.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  liar.close();
  await server.stop();
  removeFolder(folder);
});

async function run(url: string, ...more: readonly string[]) {
  const child = spawn(process.execPath, [program, url, MODEL, ...more], {
    env: { ...process.env, GIGAROUTER_API_KEY: server.apiKey },
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text: Buffer) => (said += text.toString()));
  const [code] = (await once(child, "close")) as [number];
  return { code, said };
}

test("all holds: every vector has the same bits, and the chain goes on from a hash that was kept", async () => {
  const first = await run(server.url);
  expect([first.code, first.said]).toEqual([
    0,
    expect.stringMatching(
      new RegExp(
        `^revision [0-9a-f]+: ${CANARIES.length} of ${CANARIES.length} the same bits, furthest 0\n1 in the chain; keep the last hash: [0-9a-f]{64}\n$`,
      ),
    ),
  ]);
  const hash = first.said.slice(-65, -1);
  expect((await run(server.url, hash)).code).toBe(0);
  const other = await run(
    server.url,
    hash.replace(/^./, (digit) => (digit === "0" ? "1" : "0")),
  );
  expect([other.code, other.said]).toEqual([1, "DOES NOT HOLD: the chain goes on from the one you know\n"]);
});

test("one byte that is another one does not hold, and is named", async () => {
  const port = (liar.address() as AddressInfo).port;
  const results = await Promise.all(
    LIES.map(async ([what], place) => [what, await run(`http://127.0.0.1:${port}/${place}`)] as const),
  );
  const expected = LIES.map(([what, path, , said]) => [
    what,
    { code: path === "" ? 0 : 1, said: expect.stringContaining(said) as unknown },
  ]);
  expect(results).toEqual(expected);
});
