// Everything hostile that bytes on a socket can be, as data: each answer has the one error shape, within its time,
// without a stack and without what was sent; and the next request works.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BODY_CASES } from "./body-cases.ts";
import { HTTP_CASES } from "./http-cases.ts";
import { RawConnection, rawRequest } from "./raw-http.ts";
import { ROUTE_CASES } from "./route-cases.ts";
import type { RawAnswer } from "./raw-http.ts";
import { NEEDLE, bodyWith, embed } from "./support.ts";
import type { HostileCase, Keys } from "./support.ts";
import { ERRORS, isErrorCode } from "../../../shared/errors.ts";
import { removeFolder, temporaryFolder } from "../../support/dev-server.ts";
import { startEdgeUnderTest } from "../../support/edge-server.ts";
import type { EdgeUnderTest } from "../../support/edge-server.ts";

/** However slow the machine, an answer that takes longer has hung. */
const ANSWER_WITHIN_MS = 20_000;
const STACK = /\bat [\w.<>]+ \(|\.(?:ts|mjs|js):\d+|workerd|node_modules|c\+\+:\d+/;
const HEALTH = rawRequest("GET /health HTTP/1.1", [["Host", "x"]]);

const dataDir = temporaryFolder();
let edge: EdgeUnderTest;
let port: number;
let keys: Keys;
/** Slow clients take ten seconds each to be given up: they wait beside the other tests, not in front of them. */
let slow: readonly Promise<RawAnswer | undefined>[];

const BODY_STALLS = 'Content-Length: 100\r\n\r\n{"model":';
const SLOW: readonly (readonly [name: string, bytes: (keys: Keys) => string])[] = [
  ["a head that never ends", () => `POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nX-A: ${NEEDLE}`],
  [
    "a body that never ends",
    ({ apiKey }) => `POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${apiKey}\r\n${BODY_STALLS}`,
  ],
  [
    "a chunk that never comes",
    ({ apiKey }) =>
      `POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${apiKey}\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n${NEEDLE}`,
  ],
];

beforeAll(async () => {
  edge = await startEdgeUnderTest(dataDir, 1);
  port = Number(new URL(edge.url).port);
  keys = edge;
  slow = SLOW.map(([, bytes]) => {
    const connection = new RawConnection(port);
    connection.write(bytes(keys));
    return connection.read().finally(() => connection.destroy());
  });
});
afterAll(async () => {
  await edge.stop();
  removeFolder(dataDir);
});

function inTime<Value>(work: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("no answer in time")), ANSWER_WITHIN_MS);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function checkError(answer: RawAnswer, expected: HostileCase["expect"]): void {
  expect(answer.headers.get("content-type")).toMatch(/^application\/json/);
  const { error, ...rest } = JSON.parse(answer.body) as { error: Record<string, unknown> };
  expect(rest).toEqual({});
  const { message, type, param, code, retry_after_s: retryAfterS, ...more } = error;
  expect(more).toEqual({});
  expect([expected].flat()).toContain(code);
  if (typeof code !== "string" || !isErrorCode(code)) throw new Error(`unknown code ${String(code)}`);
  expect([answer.status, type]).toEqual([ERRORS[code].status, ERRORS[code].type]);
  expect(message).toMatch(new RegExp(`/docs/errors#${code}$`));
  expect(String(message).length).toBeLessThan(2000);
  expect(param === null || typeof param === "string").toBe(true);
  expect(retryAfterS).toBeUndefined();
  if (answer.status === 405) expect(answer.headers.get("allow")).toMatch(/[A-Z]/);
  if (answer.status === 401) expect(answer.headers.get("www-authenticate")).toBe("Bearer");
}

function checkAnswer(answer: RawAnswer | undefined, expected: HostileCase["expect"]): void {
  if (answer === undefined) throw new Error("the connection closed without an answer");
  for (const secret of [NEEDLE, keys.apiKey, keys.adminKey, keys.apiKey.slice(3, -1)]) {
    expect(answer.raw).not.toContain(secret);
  }
  expect(answer.raw).not.toMatch(STACK);
  expect(answer.headers.has("set-cookie")).toBe(false);
  if (answer.status >= 400) checkError(answer, expected);
  else expect([expected].flat()).toContain(answer.status);
}

async function nextCallWorks(connection: RawConnection, hostile: HostileCase): Promise<void> {
  if (hostile.closes !== true) {
    connection.write(HEALTH);
    expect((await inTime(connection.read()))?.body).toContain('"status":"ok"');
  }
  const next = new RawConnection(port);
  next.write(embed(bodyWith({}))(keys));
  expect((await inTime(next.read()))?.status).toBe(200);
  next.destroy();
}

describe("a hostile request", () => {
  test("has at least 150 cases, each with a name of its own", () => {
    const names = [...BODY_CASES, ...HTTP_CASES, ...ROUTE_CASES].map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThanOrEqual(150);
  });

  test.each([...BODY_CASES, ...HTTP_CASES, ...ROUTE_CASES])("$name", async (hostile) => {
    const connection = new RawConnection(port);
    connection.write(hostile.send(keys));
    checkAnswer(await inTime(connection.read()), hostile.expect);
    await nextCallWorks(connection, hostile);
    connection.destroy();
  });
});

describe("a connection", () => {
  test("answers requests that came in one packet, in order", async () => {
    const connection = new RawConnection(port);
    connection.write(Buffer.concat([HEALTH, embed(bodyWith({}))(keys), HEALTH]));
    const answers = [await connection.read(), await connection.read(), await connection.read()];
    expect(answers.map((answer) => answer?.status)).toEqual([200, 200, 200]);
    for (const place of [0, 2]) expect(answers[place]?.body).toContain('"status":"ok"');
    connection.destroy();
  });

  test("that sends a good request, then nonsense, gets the good answer first", async () => {
    const connection = new RawConnection(port);
    connection.write(Buffer.concat([embed(bodyWith({}))(keys), Buffer.from(`${NEEDLE}\r\n\r\n`)]));
    expect((await inTime(connection.read()))?.status).toBe(200);
    checkAnswer(await inTime(connection.read()), "invalid_request");
    expect(await inTime(connection.read())).toBeUndefined();
  });

  test("may be closed by the client for its half, and is answered", async () => {
    const connection = new RawConnection(port);
    connection.write(embed(bodyWith({}))(keys));
    connection.end();
    expect((await inTime(connection.read()))?.status).toBe(200);
    connection.destroy();
  });

  test("that leaves in the middle of its body disturbs nobody", async () => {
    const leaving = new RawConnection(port);
    leaving.write(embed(bodyWith({}))(keys).subarray(0, -10));
    leaving.destroy();
    const next = new RawConnection(port);
    next.write(HEALTH);
    expect((await inTime(next.read()))?.status).toBe(200);
    next.destroy();
  });
});

describe("a slow client", () => {
  test("that announces 8 MB eight times over and sends nothing keeps nobody out", async () => {
    const waiting = Array.from({ length: 8 }, () => new RawConnection(port));
    for (const connection of waiting) {
      connection.write(embed("", [["Content-Length", String(8 * 1024 * 1024)]], ["Content-Length"])(keys));
    }
    for (let call = 0; call < 8; call += 1) {
      const next = new RawConnection(port);
      next.write(embed(bodyWith({}))(keys));
      expect((await inTime(next.read()))?.status).toBe(200);
      next.destroy();
    }
    for (const connection of waiting) connection.destroy();
  });

  test.each(SLOW.map(([name], index) => ({ name, index })))(
    "with $name is refused after ten seconds",
    async ({ index }) => {
      checkAnswer(await inTime(slow[index] ?? Promise.resolve(undefined)), "invalid_request");
    },
  );
});

test("nothing of all this is in the Worker's log", () => {
  const log = edge.logs.join("");
  for (const secret of [NEEDLE, keys.apiKey, keys.adminKey]) expect(log).not.toContain(secret);
  expect(log).not.toContain("internal_error");
});
