// npm run doctor over data folders and servers with something wrong: each is found, named, and has a cure.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { examineDataFolder, examinePort } from "../../scripts/doctor/configuration.ts";
import type { Finding } from "../../scripts/doctor/finding.ts";
import { main } from "../../scripts/doctor/main.ts";
import { examineEdge } from "../../scripts/doctor/running.ts";
import { SECRET_NAMES } from "../../scripts/dev-server/data-folder.ts";

let dir: string;
const servers: Server[] = [];
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), "gigarouter-doctor-"))));
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
  for (const server of servers.splice(0)) server.close();
});

const SECRETS = JSON.stringify(Object.fromEntries(SECRET_NAMES.map((name) => [name, "s".repeat(43)])));

/** Answers every path of `answers` with that JSON, others with 404. Resolves to its URL. */
async function serve(answers: Readonly<Record<string, object>>): Promise<string> {
  const server = createServer(({ url = "" }, response) => {
    const answer = answers[url];
    response.writeHead(answer === undefined ? 404 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(answer ?? { error: "none" }));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const backend = (status: string, queueSeconds: number | null = 0) => ({
  backends: [{ model: "a/b", status, revision: null, queue_seconds: queueSeconds }],
});
const faultsOf = (findings: readonly Finding[]) => findings.filter(({ kind }) => kind === "fault");

describe("a data folder", () => {
  test("whose secrets are complete and its owner's alone is well", () => {
    writeFileSync(join(dir, "secrets.json"), SECRETS, { mode: 0o600 });
    expect(examineDataFolder(dir).filter(({ kind }) => kind !== "well")).toEqual([]);
  });

  test("whose secrets others can read, or are no JSON, is a fault that names the file", () => {
    writeFileSync(join(dir, "secrets.json"), SECRETS, { mode: 0o644 });
    expect(faultsOf(examineDataFolder(dir))[0]?.what).toContain("secrets.json can be read by other users");
    writeFileSync(join(dir, "secrets.json"), "{");
    expect(faultsOf(examineDataFolder(dir))[0]?.what).toContain("is not JSON");
  });

  test("left by a killed start is noted, and needs nothing", () => {
    // Above every system's highest process id.
    writeFileSync(join(dir, "pids.json"), JSON.stringify({ supervisor: 2 ** 31 - 1, children: [] }));
    expect(examineDataFolder(dir)).toContainEqual(expect.objectContaining({ kind: "note" }));
  });
});

test("a port that another program holds is a fault; npm start's own is not", async () => {
  const url = await serve({});
  const port = Number(new URL(url).port);
  expect(faultsOf(await examinePort(port, dir))).toHaveLength(1);
  writeFileSync(join(dir, "dev.json"), JSON.stringify({ url }));
  expect(faultsOf(await examinePort(port, dir))).toEqual([]);
});

describe("a running edge", () => {
  test("with a ready backend is well", async () => {
    const url = await serve({ "/health": { status: "ok" }, "/ready": backend("ready") });
    expect((await examineEdge(url)).every(({ kind }) => kind === "well")).toBe(true);
  });

  test("without a backend, with one that does not answer, or one that is overloaded, is told apart", async () => {
    const health = { status: "ok" };
    const none = await serve({ "/health": health, "/ready": { backends: [] } });
    expect(faultsOf(await examineEdge(none))[0]?.what).toContain("knows no backend");
    const dead = await serve({ "/health": health, "/ready": backend("unreachable", null) });
    expect(faultsOf(await examineEdge(dead))[0]?.what).toContain("a/b: no backend answers");
    const busy = await serve({ "/health": health, "/ready": backend("ready", 30) });
    expect(await examineEdge(busy)).toContainEqual(expect.objectContaining({ kind: "note" }));
  });

  test("that is not there ends the command with exit code 1 and a cure", async () => {
    const url = await serve({});
    servers.splice(0)[0]?.close();
    const lines: string[] = [];
    expect(await main(["--url", url], (line) => void lines.push(line))).toBe(1);
    expect(lines.join("\n")).toContain("Nothing listens there");
  });
});
