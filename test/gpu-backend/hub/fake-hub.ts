// The hub's routes that a download uses, on a free port: model info, file tree, files with ranges.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export const COMMIT = "0123456789abcdef0123456789abcdef01234567";

export interface FakeHub {
  readonly url: string;
  /** path → content as it is served. */
  readonly files: Map<string, Buffer>;
  /** path → hash that the tree states instead of the true one. */
  readonly statedHashes: Map<string, string>;
  /** Files whose next answer breaks off after so many bytes. */
  readonly breaks: Map<string, number>;
  /** `path range` of each file request. */
  readonly requests: string[];
  /** Revisions whose commit was asked for. */
  readonly revisions: string[];
  refuseWith: number | undefined;
  /** Given: answers what it is true for itself. */
  instead: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  close(): Promise<void>;
}

export async function startFakeHub(name: string, files: Readonly<Record<string, Buffer>>): Promise<FakeHub> {
  const server = createServer((request, response) => answer(hub, name, request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const hub: FakeHub = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    files: new Map(Object.entries(files)),
    statedHashes: new Map(),
    breaks: new Map(),
    requests: [],
    revisions: [],
    refuseWith: undefined,
    instead: undefined,
    close: async () => {
      if (!server.listening) return;
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return hub;
}

function answer(hub: FakeHub, name: string, request: IncomingMessage, response: ServerResponse): void {
  const path = decodeURIComponent((request.url ?? "").split("?")[0] ?? "");
  if (hub.instead?.(request, response) === true) return;
  if (hub.refuseWith !== undefined) json(response, hub.refuseWith, { error: "refused" });
  else if (path.startsWith(`/api/models/${name}/revision/`)) {
    hub.revisions.push(path.slice(`/api/models/${name}/revision/`.length));
    json(response, 200, { _id: "1", id: name, sha: COMMIT });
  } else if (path === `/api/models/${name}/tree/${COMMIT}`)
    json(
      response,
      200,
      [...hub.files.keys()].map((file) => entry(hub, file)),
    );
  else if (path.startsWith(`/${name}/resolve/${COMMIT}/`))
    sendFile(hub, path.slice(`/${name}/resolve/${COMMIT}/`.length), request, response);
  else json(response, 404, { error: "Repository not found" });
}

function entry(hub: FakeHub, path: string): object {
  const content = hub.files.get(path) ?? Buffer.alloc(0);
  const git = createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
  const sha256 = createHash("sha256").update(content).digest("hex");
  const base = { type: "file", path, size: content.length, oid: hub.statedHashes.get(path) ?? git };
  if (!path.endsWith(".safetensors")) return base;
  return { ...base, lfs: { oid: hub.statedHashes.get(path) ?? sha256, size: content.length, pointerSize: 130 } };
}

function sendFile(hub: FakeHub, path: string, request: IncomingMessage, response: ServerResponse): void {
  const content = hub.files.get(path) ?? Buffer.alloc(0);
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
  hub.requests.push(`${path} ${request.headers.range ?? "whole"}`);
  const start = Number(range?.[1] ?? 0);
  const part = content.subarray(start, Number(range?.[2] ?? content.length - 1) + 1);
  response.writeHead(range === null ? 200 : 206, {
    "content-length": part.length,
    "content-range": `bytes ${start}-${start + part.length - 1}/${content.length}`,
    etag: '"etag"',
  });
  const breakAfter = range?.[2] === "0" ? undefined : hub.breaks.get(path);
  if (breakAfter === undefined) {
    response.end(part);
    return;
  }
  hub.breaks.delete(path);
  response.write(part.subarray(0, breakAfter), () => setImmediate(() => response.destroy()));
}

function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}
