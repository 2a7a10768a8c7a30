// Bodies as callers send them: inflated, slow, endless, of those who may not call.
import { describe, expect, test } from "vitest";
import { bodyPieces, inflate, inflated } from "../../../edge/middleware/body-pieces.ts";
import type { Patience } from "../../../edge/middleware/body-pieces.ts";
import { LIMITS } from "../../../edge/settings.ts";
import { Api } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";

const api = new Api();
const { key } = await api.newAccount();

async function gzip(...parts: (string | Uint8Array<ArrayBuffer>)[]): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob(parts).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function joined(...parts: Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

const text = (input: unknown) => JSON.stringify({ model: MODEL, input });
const post = (body: unknown, encoding?: string, path = "/v1/embeddings") =>
  api.call(path, { key, body, headers: encoding === undefined ? {} : { "content-encoding": encoding } });

describe("a body in gzip", () => {
  test("is read whole, of several members too, by either name", async () => {
    const body = text("members");
    const members = joined(await gzip(body.slice(0, 9)), await gzip(""), await gzip(body.slice(9)), new Uint8Array(8));
    for (const encoding of ["gzip", "x-gzip", " GZIP "]) {
      for (const bytes of [await gzip(body), members]) expect((await post(bytes, encoding)).status).toBe(200);
    }
  });

  test("that is none, is cut off, or has something behind it, is refused as such", async () => {
    const whole = await gzip(text("whole"));
    for (const bytes of [new Uint8Array([1, 2, 3]), whole.slice(0, -9), joined(whole, new Uint8Array([7, 7, 7]))]) {
      const { status, body } = await post(bytes, "gzip");
      expect([status, body["error"]]).toEqual([400, expect.objectContaining({ code: "invalid_json" })]);
    }
    expect((await post(whole, "br")).status).toBe(415);
    expect((await post(whole, "gzip, gzip")).status).toBe(415);
  });

  test("that is larger inside than it may be is a 413, wherever in its members that is", async () => {
    const zeros = new Uint8Array(1_000_000);
    const bomb = await gzip(...Array.from({ length: 100 }, () => zeros));
    expect(bomb.length).toBeLessThan(120_000);
    expect((await post(bomb, "gzip")).status).toBe(413);
    const small = await gzip(zeros);
    expect((await post(joined(...Array.from({ length: 9 }, () => small)), "gzip")).status).toBe(413);
    expect(inflate(bomb, 99_999_999)).toBeUndefined();
    expect(inflate(small, 1_000_000)?.length).toBe(1_000_000);
  });

  test("is inflated piece by piece where it is not held, and no further than it is read", async () => {
    const bomb = await gzip(...Array.from({ length: 50 }, () => new Uint8Array(1_000_000)));
    let largest = 0;
    let total = 0;
    for await (const piece of inflated(once(bomb))) {
      largest = Math.max(largest, piece.length);
      total += piece.length;
      if (total > 1_000_000) break;
    }
    expect(largest).toBeLessThanOrEqual(64 * 1024);
    total = 0;
    const members = joined(await gzip("one"), await gzip("two"));
    for await (const piece of inflated(once(members))) total += piece.length;
    expect(total).toBe(6);
  });

  test("is taken by no route of small bodies, and by none that asks for no key", async () => {
    const report = await gzip(JSON.stringify({ key: "gr-nothing" }));
    const unknown = await api.call("/v1/keys/report-leak", { body: report, headers: { "content-encoding": "gzip" } });
    expect(unknown.status).toBe(415);
    for (const path of ["/v1/keys", "/v1/alerts", "/v1/webhooks", "/v1/batches"]) {
      expect((await post(await gzip("{}"), "gzip", path)).status).toBe(415);
    }
  });
});

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** A byte each time, `gapMs` apart. */
function slowly(gapMs: number): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, gapMs));
      controller.enqueue(new Uint8Array(1));
    },
  });
}

describe("a body that does not come", () => {
  const patience: Patience = { idleMs: 1000, graceMs: 10_000, bytesPerSecondMin: 1000 };
  const stalled = () =>
    new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(new Uint8Array(1)) });
  test.each<[string, ReadableStream<Uint8Array>, Partial<Patience>, string]>([
    ["that stalls", stalled(), { idleMs: 20 }, "Nothing more of the body arrived"],
    ["that crawls, however lively it is", slowly(2), { graceMs: 20 }, "less than 1000 bytes a second"],
    ["that takes too long, however fast it began", slowly(1), { totalMs: 40 }, "too long to arrive"],
    ["that takes too long and stalls", stalled(), { totalMs: 40 }, "too long to arrive"],
  ])("%s is given up, and cancelled", async (_, stream, change, message) => {
    const read = async () => {
      for await (const piece of bodyPieces(stream, { ...patience, ...change })) void piece;
    };
    await expect(read()).rejects.toMatchObject({
      fault: { code: "invalid_request" },
      message: expect.stringContaining(message),
    });
  });

  test("that is JSON has a least pace and half of the call's time", () => {
    expect(LIMITS.bodyPatience.totalMs).toBeLessThanOrEqual(LIMITS.requestDeadlineMs / 2);
    expect(LIMITS.bodyPatience.bytesPerSecondMin).toBeGreaterThan(0);
  });
});

describe("a large body", () => {
  const texts = Array.from({ length: 600 }, (_, index) => `${index}`.padEnd(450, "x"));
  const good = { model: MODEL, input: texts };
  const bad = { ...good, nonsense: 1 };
  /** What never ends, and counts what was taken of it. */
  const endless = () => {
    const counted = { pulled: 0 };
    const body = new ReadableStream({
      pull(controller) {
        counted.pulled += 1;
        controller.enqueue(new Uint8Array(64 * 1024).fill(0x20));
      },
    });
    return { counted, body };
  };

  test("counts against the rate though it is refused, and a small one that is refused does not", async () => {
    const { key: own } = await api.newAccount({ requests_per_minute: 3 });
    for (let call = 0; call < 5; call += 1) {
      expect((await api.call("/v1/embeddings", { key: own, body: { model: MODEL, nonsense: 1 } })).status).toBe(400);
    }
    const statuses: number[] = [];
    for (let call = 0; call < 6; call += 1) {
      const answer = await api.call("/v1/embeddings", { key: own, body: bad });
      statuses.push(answer.status);
      if (answer.status === 429) expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
      await api.settled();
    }
    expect(statuses.slice(0, 3)).toEqual([400, 400, 400]);
    expect(statuses.slice(4)).toEqual([429, 429]);
  });

  test("is counted once where it is admitted", async () => {
    const { key: own } = await api.newAccount({ requests_per_minute: 4 });
    const statuses: number[] = [];
    for (let call = 0; call < 5; call += 1)
      statuses.push((await api.call("/v1/embeddings", { key: own, body: good })).status);
    expect(statuses).toEqual([200, 200, 200, 200, 429]);
  });

  test("of an account that is suspended is hardly read", async () => {
    const { id, key: own } = await api.newAccount();
    await api.admin(`/admin/accounts/${id}`, { status: "suspended" }, "PATCH");
    const { counted, body } = endless();
    const answer = await api.call("/v1/embeddings", { key: own, body });
    expect(answer.status).toBe(403);
    expect(counted.pulled).toBeLessThan(20);
  });
});
