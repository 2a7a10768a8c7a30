// A stream that broke off is resumed: every line is charged once, whatever was seen of the answer.

import { abortAllDurableObjects, env } from "cloudflare:test";
import { beforeEach, describe, expect, test } from "vitest";
import { forgetServices } from "../../../edge/services.ts";
import { Api } from "../support/api.ts";
import { MODEL, REVISION_1, REVISION_2, tokensOf } from "../support/fake-backends.ts";
import { Duplex, jsonLines, stream, texts } from "./support.ts";
import type { Item } from "../../support/stream-lines.ts";

const api = new Api();
let account: Awaited<ReturnType<Api["newAccount"]>>;

beforeEach(async () => {
  api.backend.behaviour = { kind: "well" };
  api.backend.revision = REVISION_1;
  account = await api.newAccount();
});

const send = (body: string, query = "", headers: Record<string, string> = {}) =>
  stream(api, { key: account.key, body, query, headers });
const charged = async () => {
  await api.settled();
  return Number((await api.admin(`/admin/accounts/${account.id}`)).body["charged_nano_usd"]);
};
const costOf = (values: readonly string[]) => values.reduce((sum, text) => sum + tokensOf(text), 0) * 8;
/** The charge, once it no longer grows: frames under way when a client leaves may still be charged. */
async function chargedAtLast(): Promise<number> {
  for (let before = -1, now = await charged(); ; before = now, now = await charged()) if (now === before) return now;
}

/** A client that leaves when it has read `items` lines; returns what it read. */
async function leaveAfter(count: number, values: readonly string[], headers: Record<string, string> = {}) {
  const client = new Duplex(api, { key: account.key, headers });
  const sending = client.send(jsonLines(values)).then(() => client.end());
  sending.catch(() => undefined);
  const read = await client.readUntil(({ items }) => items.length >= count);
  await client.leave();
  return read;
}

/** What `text` answers, to be compared: cached or not, the vector is the same. */
const vectors = (items: readonly Item[]) => items.map(({ index, embedding }) => [index, embedding]);

test("a client that leaves in the middle resumes from any line of progress, and pays each line once", async () => {
  const values = texts(4000, "left");
  const { progress } = await leaveAfter(700, values);
  const paid = await chargedAtLast();
  expect(paid).toBeGreaterThan(costOf(values.slice(0, 576)) - 1);
  const [point] = progress;
  expect(point?.done).toBe(0);
  const { status, items, last } = await send(jsonLines(values), `&resume=${point?.resume ?? ""}`);
  expect(status).toBe(200);
  expect(last).toMatchObject({ complete: true, done: 4000, failed: 0 });
  expect(await charged()).toBe(costOf(values));
  expect(Math.round((last?.cost_usd ?? 0) * 1e9)).toBe(costOf(values) - paid);
  const whole = await send(jsonLines(values));
  expect(vectors(items)).toEqual(vectors(whole.items));
});

test("the rest is sent from `done` on, and its lines are counted on from there", async () => {
  const values = texts(3000, "rest");
  const { progress } = await leaveAfter(2000, values);
  await chargedAtLast();
  const point = progress.at(-1);
  const done = point?.done ?? 0;
  expect(done).toBeGreaterThan(1000);
  const { items, last } = await send(jsonLines(values.slice(done)), `&resume=${point?.resume ?? ""}`);
  expect(items.map(({ index }) => index)).toEqual(values.map((_, index) => index).slice(done));
  expect(last).toMatchObject({ complete: true, done: 3000 });
  expect(await charged()).toBe(costOf(values));
});

test("again and again: a client that leaves at every frame pays each line once", async () => {
  const values = texts(3000, "again");
  let resume = "";
  let done = 0;
  for (let round = 0; round < 30 && done < values.length; round += 1) {
    const query = resume === "" ? "" : `&resume=${resume}`;
    const client = new Duplex(api, { key: account.key, query });
    const sending = client.send(jsonLines(values.slice(done))).then(() => client.end());
    sending.catch(() => undefined);
    const begun = done;
    const { progress, last } = await client.readUntil(
      (lines) => lines.last !== undefined || (lines.progress.at(-1)?.done ?? 0) > begun,
    );
    await client.leave();
    const point = last ?? progress.at(-1);
    done = point?.done ?? done;
    resume = point?.resume ?? resume;
  }
  expect(done).toBe(3000);
  expect(await chargedAtLast()).toBe(costOf(values));
});

test("an Idempotency-Key names the stream: the same lines sent again are paid once", async () => {
  const headers = { "idempotency-key": "corpus-7" };
  const values = texts(2000, "named");
  await leaveAfter(100, values, headers);
  await chargedAtLast();
  const again = await send(jsonLines(values), "", headers);
  expect(again.last).toMatchObject({ complete: true, done: 2000 });
  expect(await charged()).toBe(costOf(values));
  const third = await send(jsonLines(values), "", headers);
  expect(third.last).toMatchObject({ complete: true, done: 2000, cost_usd: 0 });
  expect(vectors(third.items)).toEqual(vectors(again.items));
  expect(await charged()).toBe(costOf(values));
});

test("pauses between lines cut other frames, and the resumed stream finds them", async () => {
  const values = texts(40, "pause");
  const client = new Duplex(api, { key: account.key, headers: { "idempotency-key": "slow" } });
  for (let from = 0; from < 40; from += 7) {
    await client.send(jsonLines(values.slice(from, from + 7)));
    await client.readUntil(({ items }) => items.length >= Math.min(40, from + 7));
  }
  await client.leave();
  expect(await chargedAtLast()).toBe(costOf(values));
  const { last } = await send(jsonLines(values), "", { "idempotency-key": "slow" });
  expect(last).toMatchObject({ complete: true, done: 40, cost_usd: 0 });
  expect(await charged()).toBe(costOf(values));
});

test("after isolate and account object were restarted", async () => {
  const values = texts(2000, "restart");
  const { progress } = await leaveAfter(200, values);
  await chargedAtLast();
  await abortAllDurableObjects();
  forgetServices();
  const { last } = await send(jsonLines(values), `&resume=${progress[0]?.resume ?? ""}`);
  expect(last).toMatchObject({ complete: true, done: 2000 });
  expect(await charged()).toBe(costOf(values));
});

test("lines at fault and blank ones between change nothing of it", async () => {
  const lines = texts(1000, "mixed").map((text, index) => {
    if (index % 3 === 0) return `"${text}"`;
    return index % 3 === 1 ? "broken" : "";
  });
  const body = `${lines.join("\n")}\n`;
  const cost = costOf(texts(1000, "mixed").filter((_, index) => index % 3 === 0));
  const headers = { "idempotency-key": "mixed" };
  expect((await send(body, "", headers)).last).toMatchObject({ complete: true, failed: 333 });
  expect((await send(body, "", headers)).last).toMatchObject({ complete: true, failed: 333, cost_usd: 0 });
  expect(await charged()).toBe(cost);
});

test("two clients resume one stream at once: each line is charged once", async () => {
  const values = texts(1500, "twice");
  const { progress } = await leaveAfter(64, values);
  const query = `&resume=${progress[0]?.resume ?? ""}`;
  const both = await Promise.all([send(jsonLines(values), query), send(jsonLines(values), query)]);
  expect(both.map(({ last }) => last?.complete)).toContain(true);
  expect(await chargedAtLast()).toBe(costOf(values));
});

test("a frame costs the account's object two messages and two rows", async () => {
  const stub = env.ACCOUNT.get(env.ACCOUNT.idFromName(account.id));
  const before = await stub.operations();
  await send(jsonLines(texts(64 + 8 * 512, "rows")));
  await api.settled();
  const after = await stub.operations();
  // Nine frames, the key's own lease, and the table of the segment.
  expect(after.syncs - before.syncs).toBeLessThanOrEqual(9 * 2 + 1);
  expect(after.rowsWritten - before.rowsWritten).toBeLessThanOrEqual(9 * 2 + 2);
});

describe("is refused", () => {
  test("with other texts where lines were charged, and nothing is charged for them", async () => {
    const values = texts(100, "changed");
    const headers = { "idempotency-key": "changed" };
    await send(jsonLines(values), "", headers);
    const paid = await charged();
    const early = await send(jsonLines(values.with(3, "another")), "", headers);
    expect(early).toMatchObject({ status: 400, body: { error: { code: "idempotency_key_reused" } } });
    const late = await send(jsonLines(values.with(80, "another")), "", headers);
    expect(late.status).toBe(200);
    expect(late.items).toHaveLength(64);
    expect(late.last).toMatchObject({ complete: false, done: 64, error: { code: "idempotency_key_reused" } });
    expect(await charged()).toBe(paid);
  });

  test("with another's token, a changed one, an old one, or other options", async () => {
    const { last } = await send(jsonLines(texts(3)));
    const resume = last?.resume ?? "";
    const other = await api.newAccount();
    const theirs = await stream(api, { key: other.key, body: '"a"\n', query: `&resume=${resume}` });
    expect(theirs).toMatchObject({ status: 400, body: { error: { code: "invalid_value", param: "resume" } } });
    const moved = await send('"a"\n', `&resume=${resume.replace("_3_", "_4_")}`);
    expect(moved).toMatchObject({ status: 400, body: { error: { code: "invalid_value", param: "resume" } } });
    const options = await send('"a"\n', `&resume=${resume}&truncate=end`);
    expect(options).toMatchObject({ status: 400, body: { error: { code: "incompatible_options", param: "resume" } } });
    expect((await send('"a"\n', `&resume=${resume}&dimensions=4`)).last).toMatchObject({ complete: true, done: 4 });
  });

  test("where the model has another revision by now", async () => {
    const { last } = await send(jsonLines(texts(3, "revision")));
    api.backend.revision = REVISION_2;
    await api.call("/v1/embeddings", { key: account.key, body: { model: MODEL, input: "the isolate learns of it" } });
    const again = await send('"a"\n', `&resume=${last?.resume ?? ""}`);
    expect(again).toMatchObject({ status: 409, body: { error: { code: "revision_changed" } } });
  });

  test("when the same lines were computed again for nothing ten times", async () => {
    const headers = { "idempotency-key": "free" };
    const body = jsonLines(texts(5, "free"));
    for (let round = 0; round < 11; round += 1) expect((await send(body, "", headers)).status).toBe(200);
    expect(await send(body, "", headers)).toMatchObject({ status: 400, body: { error: { code: "limit_reached" } } });
    expect(await charged()).toBe(costOf(texts(5, "free")));
  });
});

test("what a backend fails on is charged nothing, and the stream is resumed where it stopped", async () => {
  const values = texts(300, "fails");
  const client = new Duplex(api, { key: account.key });
  await client.send(jsonLines(values.slice(0, 64)));
  await client.readUntil(({ items }) => items.length === 64);
  const fault = { code: "text_too_complex", message: "No.", index: null, facts: {}, retryAfterS: null } as const;
  api.backend.behaviour = { kind: "fault", fault };
  await client.send(jsonLines(values.slice(64)));
  const { last } = await client.readUntil((lines) => lines.last !== undefined);
  expect(last).toMatchObject({ complete: false, done: 64 });
  await client.end();
  expect(await charged()).toBe(costOf(values.slice(0, 64)));
  api.backend.behaviour = { kind: "well" };
  const rest = await send(jsonLines(values.slice(64)), `&resume=${last?.resume ?? ""}`);
  expect(rest.last).toMatchObject({ complete: true, done: 300 });
  expect(await charged()).toBe(costOf(values));
});

test("what passes is waited for: a backend that is busy for a moment does not end the stream", async () => {
  const values = texts(200, "busy");
  const client = new Duplex(api, { key: account.key });
  await client.send(jsonLines(values.slice(0, 64)));
  await client.readUntil(({ items }) => items.length === 64);
  const fault = { code: "overloaded", message: "Full.", index: null, facts: {}, retryAfterS: 1 } as const;
  api.backend.behaviour = { kind: "fault", fault };
  await client.send(jsonLines(values.slice(64)));
  await client.end();
  const waited = await client.readUntil(({ progress }) => progress.length > 1);
  expect(waited.items).toHaveLength(64);
  api.backend.behaviour = { kind: "well" };
  const { last } = await client.readUntil((lines) => lines.last !== undefined);
  expect(last).toMatchObject({ complete: true, done: 200 });
  expect(await charged()).toBe(costOf(values));
});
