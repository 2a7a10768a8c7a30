// npm run gpu:install against an index of our own: wheels arrive whole, broken off, wrong or not at all.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { readInstalled } from "../../gpu-backend/cuda/libraries.ts";
import { ONNXRUNTIME_VERSION, type Wheel, WHEELS } from "../../gpu-backend/cuda/wheels.ts";
import { DownloadError } from "../../scripts/gpu-install/download.ts";
import { indexUrl } from "../../scripts/gpu-install/index-url.ts";
import { install } from "../../scripts/gpu-install/install.ts";
import { zipOf } from "../support/zip.ts";

const JSON_TYPE = "application/vnd.pypi.simple.v1+json";
const LIBRARY = "a library ".repeat(20_000);
const WHEEL_BYTES = zipOf({ "pkg/other.txt": "left out", "pkg/lib/libone.so.1": LIBRARY });
const wheel: Wheel = {
  project: "one",
  file: "one-1.0-py3-none-any.whl",
  bytes: WHEEL_BYTES.length,
  sha256: createHash("sha256").update(WHEEL_BYTES).digest("hex"),
  members: [["pkg/lib/libone.so.1", "libone.so.1", LIBRARY.length]],
};

let folder: string;
let server: Server;
let index: string;
/** Each request for the file: its Range and Authorization. */
let asked: { readonly range: string | undefined; readonly authorization: string | undefined }[];
let served: {
  json: boolean;
  bytes: Buffer;
  /** Bytes after which the connection breaks, by request; whole where there is none. */
  breaks: (number | undefined)[];
  ranges: boolean;
  status: number;
};

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "gpu-install-"));
  asked = [];
  served = { json: true, bytes: WHEEL_BYTES, breaks: [], ranges: true, status: 200 };
  server = createServer(({ url = "", headers }, response) => {
    if (url === "/simple/one/") {
      const link = `../../files/${wheel.file}#sha256=${wheel.sha256}`;
      response.setHeader("content-type", served.json ? JSON_TYPE : "text/html");
      response.end(
        served.json ? JSON.stringify({ files: [{ filename: wheel.file, url: link }] }) : `<a href="${link}">one</a>`,
      );
      return;
    }
    asked.push({ range: headers.range, authorization: headers.authorization });
    const from = served.ranges ? Number(/^bytes=(\d+)-/.exec(headers.range ?? "")?.[1] ?? 0) : 0;
    const body = served.bytes.subarray(from);
    const until = served.breaks.shift();
    response.writeHead(served.status === 200 && from > 0 ? 206 : served.status, { "content-length": body.length });
    if (until === undefined) response.end(body);
    else response.write(body.subarray(0, until), () => setImmediate(() => response.destroy()));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  index = `http://127.0.0.1:${(server.address() as AddressInfo).port}/simple`;
});
afterEach(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

const run = (more: Partial<Parameters<typeof install>[0]> = {}) =>
  install({ folder, index, onProgress: () => undefined, wheels: [wheel], retryMs: 0, ...more });
const library = (): string => readFileSync(join(folder, "libone.so.1"), "utf8");

describe("an install", () => {
  test.each([true, false])(
    "takes the wheel's libraries alone, and says what it is (list as JSON: %s)",
    async (json) => {
      served.json = json;
      expect(await run()).toBe(true);
      expect(library()).toBe(LIBRARY);
      expect(readdirSync(folder).toSorted()).toEqual(["installed.json", "libone.so.1"]);
      expect(readInstalled(folder)).toEqual({ onnxruntime: ONNXRUNTIME_VERSION, wheels: [wheel.file] });
      expect(await run()).toBe(false);
      expect(asked).toHaveLength(1);
    },
  );

  test("goes on where a connection broke off, in the same run and in the next", async () => {
    served.breaks = [1_000, 5_000];
    await run();
    expect(library()).toBe(LIBRARY);
    const starts = asked.map(({ range }) => Number(/bytes=(\d+)/.exec(range ?? "bytes=0")?.[1]));
    expect(starts).toEqual([0, 1_000, 6_000]);
    rmSync(join(folder, "libone.so.1"));
    writeFileSync(join(folder, `${wheel.file}.part`), WHEEL_BYTES.subarray(0, 7_000));
    expect(await run()).toBe(true);
    expect(asked.at(-1)?.range).toBe(`bytes=7000-${WHEEL_BYTES.length - 1}`);
    expect(library()).toBe(LIBRARY);
  });

  test("starts again where the server knows no ranges", async () => {
    served.ranges = false;
    served.breaks = [1_000];
    await run();
    expect(library()).toBe(LIBRARY);
  });

  test("refuses a wheel with another content, and keeps nothing of it", async () => {
    served.bytes = Buffer.from(WHEEL_BYTES);
    served.bytes[100] = 0;
    await expect(run()).rejects.toThrow(/one-1\.0.* arrived twice with another content/);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("that the network stops says so, and keeps what has arrived", async () => {
    served.breaks = Array.from({ length: 20 }, () => 100);
    await expect(run()).rejects.toThrow(/What has arrived is kept: run this again/);
    expect(readFileSync(join(folder, `${wheel.file}.part`)).length).toBeGreaterThan(0);
    expect(readInstalled(folder)).toBeUndefined();
  });

  test("of a file that the index has not, or refuses, ends at once", async () => {
    served.status = 403;
    await expect(run()).rejects.toThrow(/\/files\/one-1\.0.* answered 403/);
    await expect(run({ wheels: [{ ...wheel, file: "one-2.0.whl" }] })).rejects.toThrow(/has no one-2\.0\.whl/);
    expect(asked).toHaveLength(1);
  });

  test("looks for room first, and counts what is there already", async () => {
    const free = WHEEL_BYTES.length + LIBRARY.length - 2_000;
    await expect(run({ freeBytes: async () => free })).rejects.toThrow(DownloadError);
    expect(asked).toEqual([]);
    writeFileSync(join(folder, `${wheel.file}.part`), WHEEL_BYTES.subarray(0, 2_000));
    await run({ freeBytes: async () => free });
    expect(library()).toBe(LIBRARY);
  });

  test("mends one that lost a file, and replaces one of another version", async () => {
    await run();
    rmSync(join(folder, "libone.so.1"));
    expect(await run()).toBe(true);
    writeFileSync(join(folder, "libone.so.1"), LIBRARY.toUpperCase());
    writeFileSync(join(folder, "installed.json"), JSON.stringify({ onnxruntime: "1.0.0", wheels: [] }));
    expect(await run()).toBe(true);
    expect(library()).toBe(LIBRARY);
  });

  test("sends the index's password to its own host, and does not say it", async () => {
    const url = new URL(index);
    url.username = "user";
    url.password = "p%40ss";
    served.status = 404;
    const said = run({ index: url.href });
    await expect(said).rejects.toThrow(/answered 404/);
    await expect(said).rejects.not.toThrow(/ss@|user/);
    expect(asked[0]?.authorization).toBe(`Basic ${Buffer.from("user:p@ss").toString("base64")}`);
  });
});

describe("the index", () => {
  test("is the one that pip is configured for, or PyPI", () => {
    expect(indexUrl({}, folder)).toBe("https://pypi.org/simple");
    mkdirSync(join(folder, ".pip"));
    writeFileSync(
      join(folder, ".pip", "pip.conf"),
      "[other]\nindex-url = https://no.test\n[global]\nindex-url = https://a.test/x/\n",
    );
    expect(indexUrl({}, folder)).toBe("https://a.test/x");
    expect(indexUrl({ PIP_INDEX_URL: "https://b.test/simple/" }, folder)).toBe("https://b.test/simple");
    expect(() => indexUrl({ PIP_INDEX_URL: "pypi" }, folder)).toThrow(/is pypi, which is no URL/);
  });
});

describe("the pinned wheels", () => {
  test("are of the version of the npm package, and no two bring the same file", () => {
    const { dependencies } = JSON.parse(readFileSync(join(import.meta.dirname, "../../package.json"), "utf8"));
    expect(dependencies["onnxruntime-node"]).toBe(ONNXRUNTIME_VERSION);
    const runtime = WHEELS.find(({ project }) => project === "onnxruntime-gpu");
    expect(runtime?.file).toContain(`-${ONNXRUNTIME_VERSION}-`);
    expect(runtime?.members.map(([path]) => path)).toContain(
      `onnxruntime/capi/libonnxruntime.so.${ONNXRUNTIME_VERSION}`,
    );
    const names = WHEELS.flatMap(({ members }) => members.map(([, name]) => name));
    expect(new Set(names).size).toBe(names.length);
    expect(WHEELS.every(({ sha256 }) => /^[0-9a-f]{64}$/.test(sha256))).toBe(true);
    expect(existsSync(folder)).toBe(true);
  });
});
