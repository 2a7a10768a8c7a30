// The isolate's memory: the largest answers grow workerd by less than 60 MB, many at once are served or refused within
// the budget, a slow reader holds nothing but its frame, a client that leaves gives everything back. Peaks are the
// kernel's (VmHWM of the workerd process), because the 128 MB limit is not enforced locally: Linux alone tells them.
import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import { createConnection } from "node:net";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { childrenOf } from "../../scripts/dev-server/processes.ts";
import { removeFolder, temporaryFolder } from "../support/dev-server.ts";
import { FAKE_MODEL, startEdgeUnderTest } from "../support/edge-server.ts";
import type { EdgeUnderTest } from "../support/edge-server.ts";

const TEXTS = Array.from({ length: 2048 }, (_, index) => `text ${index}`);
const DIMENSIONS = 2560;
/** For docs/performance.md: 100,000. */
const STREAM_LINES = Number(process.env["STREAM_LINES"] ?? 8192);
/** After so many V8 has taken what it takes before it collects, as it has after as many texts in JSON calls. */
const STREAM_LINES_BEFORE = Math.min(50_000, 2 * STREAM_LINES);
const MIB = 1024 * 1024;
const GROWTH_BYTES_MAX = 60 * MIB;
/** Bodies, frames and cache (edge/lib/memory-budget.ts); the rest of the allowance is V8's garbage. */
const BUDGET_BYTES = 96 * MIB;

const isLinux = process.platform === "linux";

const folder = temporaryFolder();
let edge: EdgeUnderTest;
let pid: number;

beforeAll(async () => {
  if (!isLinux) return;
  const before = new Set(childrenOf(process.pid, /workerd/));
  edge = await startEdgeUnderTest(folder, 1, { dimensions: DIMENSIONS });
  pid = childrenOf(process.pid, /workerd/).find((child) => !before.has(child)) ?? 0;
  // Code compiled, heap grown to its working size, the fake's vectors made.
  for (const encoding of ["float", "base64"]) await read(await ask({ dimensions: 256, encoding_format: encoding }));
});
afterAll(async () => {
  if (isLinux) await edge.stop();
  removeFolder(folder);
});

function ask(body: object): Promise<Response> {
  return fetch(`${edge.url}/v1/embeddings`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${edge.apiKey}`,
      "content-type": "application/json",
      "cache-control": "no-store",
    },
    body: JSON.stringify({ model: FAKE_MODEL, input: TEXTS, ...body }),
  });
}

/** Bytes of the body, thrown away as they come. */
async function read(response: Response): Promise<number> {
  let bytes = 0;
  for await (const chunk of response.body ?? []) bytes += chunk.length;
  return bytes;
}

function statusBytes(field: "VmHWM" | "VmRSS"): number {
  const line = new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1]) * 1024;
}

/** By how much workerd's memory grows over what it has now, at the peak of `work`. */
async function growthOf(work: () => Promise<unknown>): Promise<number> {
  // "5" resets the peak to what is resident now.
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
  const before = statusBytes("VmRSS");
  await work();
  return statusBytes("VmHWM") - before;
}

if (!isLinux) {
  test("NOT MEASURED on this system: peaks of memory are read from Linux's /proc", () => {
    expect(isLinux).toBe(false);
  });
}

describe.runIf(isLinux)("one answer of 2,048 vectors", () => {
  test.each([
    [256, "float"],
    [2560, "base64"],
    [2560, "float"],
  ] as const)("of %i dimensions as %s grows workerd by less than 60 MB", async (dimensions, encoding) => {
    let bytes = 0;
    const growth = await growthOf(async () => {
      bytes = await read(await ask({ dimensions, encoding_format: encoding }));
    });
    expect(bytes).toBeGreaterThan(2048 * dimensions * 5);
    expect(growth).toBeLessThan(GROWTH_BYTES_MAX);
  });
});

describe.runIf(isLinux)("a stream of lines", () => {
  async function stream(count: number): Promise<void> {
    const lines = Array.from({ length: count }, (_, index) => `"text ${index % TEXTS.length}"\n`);
    // Not fetch, which may take a connection for the next call that it is about to close.
    const sending = request(`${edge.url}/v1/embeddings?model=${FAKE_MODEL}&encoding_format=base64`, {
      method: "POST",
      agent: false,
      headers: {
        authorization: `Bearer ${edge.apiKey}`,
        "content-type": "application/x-ndjson",
        "cache-control": "no-store",
      },
    });
    const answered = new Promise<IncomingMessage>((resolve, reject) =>
      sending.on("response", resolve).on("error", reject),
    );
    Readable.from(lines).pipe(sending);
    let tail = "";
    for await (const piece of (await answered).setEncoding("utf8")) tail = (tail + String(piece)).slice(-2000);
    expect(tail).toContain(`{"complete":true,"done":${count}`);
  }

  test("of any length grows workerd by less than 60 MB", { timeout: 900_000 }, async () => {
    await stream(STREAM_LINES_BEFORE);
    const startedMs = performance.now();
    const growth = await growthOf(() => stream(STREAM_LINES));
    if (process.env["STREAM_LINES"] !== undefined) {
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
      process.stdout.write(
        `${STREAM_LINES} lines of ${DIMENSIONS} dimensions: +${(growth / MIB).toFixed(1)} MB, ${seconds} s\n`,
      );
    }
    expect(growth).toBeLessThan(GROWTH_BYTES_MAX);
  });
});

describe.runIf(isLinux)("twelve such answers at once", () => {
  test("stay within the isolate's budget: each is served whole or refused with 503 and Retry-After 1", async () => {
    const growth = await growthOf(async () => {
      // A frame is held whole whatever is asked of it: fewer dimensions only spare the readers.
      const asked = { encoding_format: "base64", dimensions: 1024 };
      const responses = await Promise.all(Array.from({ length: 12 }, () => ask(asked)));
      const bodies = await Promise.all(responses.map((response) => read(response)));
      for (const [index, response] of responses.entries()) {
        if (response.status === 200) expect(bodies[index]).toBeGreaterThan(2048 * 1024 * 5);
        else expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
      }
      expect(responses.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(6);
    });
    expect(growth).toBeLessThan(BUDGET_BYTES + 24 * MIB);
  });
});

describe.runIf(isLinux)("a reader", () => {
  function slowly(): Socket {
    const body = JSON.stringify({ model: FAKE_MODEL, input: TEXTS, encoding_format: "float" });
    const { hostname, port } = new URL(edge.url);
    const socket = createConnection({ host: hostname, port: Number(port) });
    socket.on("error", () => undefined);
    socket.write(
      `POST /v1/embeddings HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${edge.apiKey}\r\ncache-control: no-store\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    return socket;
  }

  test("that is slow is not buffered, and one that leaves gives everything back", async () => {
    const growth = await growthOf(async () => {
      const sockets = Array.from({ length: 4 }, slowly);
      // The first bytes have come, and nobody reads on.
      await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once("readable", resolve))));
      await new Promise((resolve) => setTimeout(resolve, 500));
      for (const socket of sockets) socket.resetAndDestroy();
    });
    expect(growth).toBeLessThan(GROWTH_BYTES_MAX + 24 * MIB);
    // All of the budget is free again: six at once are served.
    await expect
      .poll(
        async () => {
          const asked = { encoding_format: "base64", dimensions: 8 };
          const responses = await Promise.all(Array.from({ length: 6 }, () => ask(asked)));
          await Promise.all(responses.map((response) => read(response)));
          return responses.map(({ status }) => status);
        },
        { timeout: 20_000, interval: 200 },
      )
      .toEqual([200, 200, 200, 200, 200, 200]);
  });
});
