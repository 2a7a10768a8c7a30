// npm run doctor over data folders and servers with something wrong: each is found, named, and has a cure.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  examineDataFolder,
  examineDevVars,
  examineEnvironments,
  examinePort,
} from "../../scripts/doctor/configuration.ts";
import { parseCards } from "../../gpu-backend/cuda/cards.ts";
import { examineEmail } from "../../scripts/doctor/email.ts";
import type { Finding } from "../../scripts/doctor/finding.ts";
import { examineCards } from "../../scripts/doctor/machine.ts";
import { main } from "../../scripts/doctor/main.ts";
import { examineBackend, examineEdge } from "../../scripts/doctor/running.ts";
import { SECRET_NAMES } from "../../scripts/dev-server/data-folder.ts";
import { FakeBackendServer } from "../support/fake-backend-server.ts";

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
  backends: [{ model: "a/b", status, revision: null, queue_seconds: queueSeconds, reasons: [] }],
  problems: [],
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
    const edge = { "/health": { status: "ok" }, "/ready": backend("ready") };
    const url = await serve({ ...edge, "/.well-known/security.txt": {} });
    expect((await examineEdge(url)).every(({ kind }) => kind === "well")).toBe(true);
    const nameless = await examineEdge(await serve(edge));
    expect(nameless.at(-1)).toMatchObject({ kind: "note", what: expect.stringContaining("security.txt") as string });
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

describe("a running edge that serves nobody", () => {
  const edge = (ready: object) => serve({ "/health": { status: "ok", version: null }, "/ready": ready });

  test("because its secret is refused is a fault, named", async () => {
    const [found] = faultsOf(await examineEdge(await edge(backend("secret_refused", null))));
    expect(found?.what).toContain("a/b: its backends refuse the edge's secret");
  });

  test("or leaves a feature off, is a fault that quotes it", async () => {
    const problems = ["STRIPE_WEBHOOK_SECRET is missing: top-ups by card is off."];
    const [found] = faultsOf(await examineEdge(await edge({ ...backend("ready"), problems })));
    expect(found?.what).toContain(problems[0]);
    const none = await edge({ backends: [], problems: ["The Worker is not configured: KEY_PEPPER is missing."] });
    expect(faultsOf(await examineEdge(none)).map(({ what }) => what)).toEqual([
      expect.stringContaining("KEY_PEPPER is missing"),
    ]);
  });

  test("is told from another program that answers 200 to everything", async () => {
    const other = await serve({ "/health": { hello: "world" }, "/ready": { hello: "world" } });
    expect(faultsOf(await examineEdge(other))[0]?.what).toContain("as no edge does");
  });
});

describe("a backend", () => {
  const secret = "s".repeat(40);
  const real = new FakeBackendServer({ model: "a/b", secret });
  beforeAll(() => real.start());
  afterAll(() => real.stop());

  test("that embeds with this secret is well; with another it is a fault; with none it says so", async () => {
    expect(await examineBackend(real.origin, secret)).toEqual([
      expect.objectContaining({ kind: "well" }),
      expect.objectContaining({ kind: "well", what: expect.stringContaining("embeds: 64 dimensions") as string }),
    ]);
    const [wrong] = faultsOf(await examineBackend(real.origin, "w".repeat(40)));
    expect(wrong?.what).toContain("refuses this BACKEND_SECRET (status 401)");
    expect(await examineBackend(real.origin, undefined)).toContainEqual(expect.objectContaining({ kind: "note" }));
  });

  test("that answers /ready and breaks every call is a fault", async () => {
    for (const broken of ["garbage", "damaged frame", "wrong count"] as const) {
      real.fault = broken;
      expect(faultsOf(await examineBackend(real.origin, secret))[0]?.what).toContain("a/b does not embed");
    }
    real.fault = "none";
  });

  test("of several models is asked for each of them", async () => {
    const ready = { status: "ready", revision: "1".repeat(16), dimensions: 64, contextTokens: 512, vocabularySize: 9 };
    const facts = { endTokenId: 0, pooling: "last", load: { queueSeconds: 0 }, tokensPerSecond: null };
    const of = (model: string, status = "ready") => ({
      ...ready,
      ...facts,
      model,
      models: ["a/b", "a/c", "a/d"],
      status,
    });
    const several = await serve({
      "/ready": of("a/b"),
      "/ready?model=a%2Fc": of("a/c", "warming"),
      "/ready?model=a%2Fd": { ...of("a/d"), kind: "reranker", dimensions: 1 },
    });
    expect((await examineBackend(several, undefined)).map(({ what }) => what)).toEqual([
      expect.stringMatching(/serves a\/b, revision/),
      expect.stringMatching(/is warming: a\/c/),
      expect.stringMatching(/serves a\/d, revision/),
      "its secret was not tried",
    ]);
    expect(faultsOf(await examineBackend(several, secret)).map(({ what }) => what)).toEqual([
      expect.stringMatching(/^a\/b does not embed/),
      expect.stringMatching(/^a\/d does not score/),
    ]);
  });

  test("that is another program, or an edge, is a fault that says which", async () => {
    const nothing = await serve({});
    expect(faultsOf(await examineBackend(nothing, secret))[0]?.what).toContain("answers 404, but as no backend does");
    const any = await serve({ "/ready": { status: "ready" }, "/info": {} });
    expect(faultsOf(await examineBackend(any, secret))).toHaveLength(1);
    const edge = await serve({ "/ready": backend("ready") });
    const [found] = faultsOf(await examineBackend(edge, secret));
    expect(found).toMatchObject({ cure: expect.stringContaining("It is an edge: ask it with --url") as string });
  });

  test("that still warms is a note, whatever the secret shows", async () => {
    const fault = { error: { code: "model_not_ready", message: "m", index: null, facts: {}, retryAfterS: 2 } };
    const warming = await serve({ "/ready": fault, "/info": fault });
    expect((await examineBackend(warming, secret)).map(({ kind }) => kind)).toEqual(["note", "well"]);
  });
});

describe("settings on disk", () => {
  const toml = readFileSync(join(import.meta.dirname, "../../wrangler.toml"), "utf8");

  test("as they came are a note; filled in and wrong they are a fault that names the setting", () => {
    expect(examineEnvironments(["production"], toml)[0]?.kind).toBe("note");
    const filled = toml.replaceAll("example.com", "gigarouter.test");
    const [found0, legal, tax] = examineEnvironments(["production"], filled);
    expect(found0?.kind).toBe("well");
    expect(tax?.what).toContain("no tax is added (STRIPE_AUTOMATIC_TAX)");
    const taxed = filled.replaceAll("\nBACKENDS", '\nSTRIPE_AUTOMATIC_TAX = "true"\nBACKENDS');
    expect(examineEnvironments(["production"], taxed)[2]?.what).toContain("Stripe adds tax to them");
    const unclear = filled.replaceAll("\nBACKENDS", '\nSTRIPE_AUTOMATIC_TAX = "yes"\nBACKENDS');
    expect(faultsOf(examineEnvironments(["production"], unclear))[0]?.what).toContain(
      "STRIPE_AUTOMATIC_TAX must be true",
    );
    expect(legal?.what).toContain("OPERATOR_NAME, OPERATOR_ADDRESS, CONTACT_EMAIL not filled in");
    const wrong = filled.replace('LOG_REQUESTS = "0.01"\nBACKENDS', 'LOG_REQUESTS = "2"\nBACKENDS');
    expect(wrong).not.toBe(filled);
    const [found] = faultsOf(examineEnvironments(["staging"], wrong));
    expect(found?.what).toContain("LOG_REQUESTS must be a number from 0 to 1");
  });

  test("for wrangler dev are read as the Worker reads them", () => {
    const path = join(dir, ".dev.vars");
    expect(examineDevVars(path)).toEqual([]);
    const example = readFileSync(join(import.meta.dirname, "../../.dev.vars.example"), "utf8");
    writeFileSync(path, example);
    expect(examineDevVars(path)[0]?.kind).toBe("well");
    writeFileSync(path, example.replace(/^KEY_PEPPER=.*$/m, ""));
    expect(faultsOf(examineDevVars(path))[0]?.what).toContain("KEY_PEPPER is missing");
    writeFileSync(path, `${example}\nGITHUB_CLIENT_ID=x\n`);
    expect(faultsOf(examineDevVars(path))[0]?.what).toContain("GITHUB_CLIENT_SECRET is missing");
  });
});

describe("e-mail", () => {
  const settings = { EMAIL_API_URL: "https://mail.test/send", EMAIL_API_KEY: "key", EMAIL_FROM: "us@vectors.test" };
  const sent: { readonly url: string; readonly body: string }[] = [];
  const answering = (status: number) => async (url: string, init: RequestInit) => {
    sent.push({ url, body: await new Response(init.body).text() });
    return new Response("", { status });
  };

  test("is sent as the Worker sends it, to the address that was asked for", async () => {
    expect(faultsOf(await examineEmail("me@vectors.test", settings, answering(200)))).toEqual([]);
    expect(sent[0]?.url).toBe("https://mail.test/send");
    expect(JSON.parse(sent[0]?.body ?? "")).toMatchObject({ from: "us@vectors.test", to: ["me@vectors.test"] });
  });

  test("that the service refuses, or that is half set, is a fault that says which", async () => {
    const [refused] = faultsOf(await examineEmail("me@vectors.test", settings, answering(403)));
    expect(refused?.what).toContain("HTTP 403");
    const { EMAIL_FROM: _from, ...half } = settings;
    const [missing] = faultsOf(await examineEmail("me@vectors.test", half, answering(200)));
    expect(missing?.what).toContain("EMAIL_FROM not in the environment");
    const broken = { ...settings, EMAIL_API_URL: "mail" };
    expect(faultsOf(await examineEmail("me@vectors.test", broken, answering(200)))[0]?.what).toContain("is no URL");
  });
});

describe("a card", () => {
  test("is well with its name, driver, compute capability and memory; what is not installed is a note", () => {
    const [card, libraries] = examineCards(parseCards("0, NVIDIA L4, 580.65.06, 23034, 22500, 8.9"), dir);
    expect(card).toEqual({
      kind: "well",
      what: "card 0: NVIDIA L4, compute capability 8.9, driver 580.65.06, 22.0 GiB of 22.5 GiB memory free",
    });
    expect(libraries).toMatchObject({ kind: "note", what: expect.stringContaining("npm run gpu:install") });
  });

  test("with an old driver, or too old itself, is a fault", () => {
    const [oldDriver, oldCard] = examineCards(
      parseCards("0, NVIDIA L4, 570.10, 23034, 22500, 8.9\n1, Tesla P4, 580.10, 7600, 7500, 6.1"),
      dir,
    );
    expect(oldDriver).toMatchObject({ kind: "fault", cure: expect.stringContaining("driver 580 or newer") });
    expect(oldCard).toMatchObject({ kind: "fault", cure: expect.stringContaining("compute capability 7.5") });
  });

  test("that is not there is no fault", () => {
    expect(examineCards([], dir).map(({ kind }) => kind)).toEqual(["well"]);
  });
});
