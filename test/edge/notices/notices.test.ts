// Alerts and webhooks in the real object, with a clock and receivers that the test controls.
import { env, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { AlertKind, AlertRecord } from "../../../edge/notices/alerts.ts";
import { changedAlerts } from "../../../edge/notices/alerts.ts";
import { newWebhookSecret, signedHeaders } from "../../../edge/notices/signature.ts";
import { TRIES_MAX } from "../../../edge/notices/backoff.ts";
import type { Id } from "../../../shared/ids.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { directoryTables } from "../support/directory-tables.ts";
import { TestIsolate, admissionOf, openAccount, settlement } from "../account/support.ts";
import type { TestAccount } from "../account/support.ts";

const CREDIT = 1_000_000_000;
const URL_A = "https://example.com/a";

/** An account whose object has the test's clock and whose receivers answer with `status`. */
class Fixture {
  status = 200;
  nowMs = Date.UTC(2030, 4, 17, 12);
  readonly got: {
    url: string;
    id: string;
    headers: Record<string, string>;
    text: string;
    body: { type: string; data: Record<string, unknown> };
  }[] = [];
  readonly account: TestAccount;

  constructor(account: TestAccount) {
    this.account = account;
  }

  static async open(credit = CREDIT): Promise<Fixture> {
    const fixture = new Fixture(await openAccount(credit));
    await runInDurableObject(fixture.account.stub, (object) => {
      const held = object as unknown as { nowMs: () => number; send: (url: string, init: RequestInit) => unknown };
      held.nowMs = () => fixture.nowMs;
      held.send = (url, init) => {
        const headers = Object.fromEntries(new Headers(init.headers));
        const text = init.body as string;
        const body = JSON.parse(text) as Fixture["got"][0]["body"];
        fixture.got.push({ url, id: headers["webhook-id"] ?? "", headers, text, body });
        return Promise.resolve(new Response(null, { status: fixture.status }));
      };
    });
    return fixture;
  }

  alert(kind: AlertKind, threshold: number): Promise<AlertRecord> {
    return this.account.stub.createAlert(
      { kind, thresholdNanoUsd: nanoUsd(threshold) },
      "test",
    ) as Promise<AlertRecord>;
  }

  async hook(url = URL_A, events?: string[]): Promise<string> {
    const made = await this.account.stub.createWebhook({ url, ...(events === undefined ? {} : { events }) }, "test");
    if (typeof made !== "object" || !("id" in made)) throw new Error("no webhook");
    return made.id;
  }

  async spend(tokens: number): Promise<void> {
    const isolate = new TestIsolate();
    admissionOf(await isolate.admit(this.account, tokens)).settle(settlement(tokens));
    await isolate.report();
  }

  /** Runs the alarm, which must be set, and returns what it delivers. */
  async deliver(): Promise<Fixture["got"]> {
    this.got.length = 0;
    expect(await runDurableObjectAlarm(this.account.stub)).toBe(true);
    return [...this.got];
  }

  webhook(id: string) {
    return this.account.stub.getWebhook(id);
  }
}

test("spend that reaches a monthly threshold is announced once a month, to every webhook that wants it", async () => {
  const fixture = await Fixture.open();
  await fixture.hook();
  await fixture.hook("https://example.com/b", ["alert.triggered"]);
  await fixture.hook("https://example.com/c", ["batch.completed"]);
  const alert = await fixture.alert("monthly_spend", 160);
  await fixture.spend(19);
  await fixture.spend(1);
  const told = await fixture.deliver();
  expect(told.map(({ url }) => url).toSorted()).toEqual([URL_A, "https://example.com/b"]);
  expect(told[0]?.body).toMatchObject({
    type: "alert.triggered",
    data: { account_id: fixture.account.id, alert_id: alert.id, kind: "monthly_spend", value_nano_usd: 160 },
  });
  await fixture.spend(50);
  fixture.got.length = 0;
  await runDurableObjectAlarm(fixture.account.stub);
  expect(fixture.got).toEqual([]);
  fixture.nowMs = Date.UTC(2030, 5, 1);
  await fixture.spend(20);
  expect(await fixture.deliver()).toHaveLength(2);
});

test("a day's spend counts from midnight UTC, including what was spent before the alert was created", async () => {
  const fixture = await Fixture.open();
  await fixture.hook();
  await fixture.alert("monthly_spend", CREDIT);
  await fixture.spend(10);
  fixture.nowMs += 86_400_000;
  await fixture.spend(15);
  await fixture.alert("daily_spend", 160);
  await fixture.spend(4);
  await runDurableObjectAlarm(fixture.account.stub);
  expect(fixture.got).toEqual([]);
  await fixture.spend(1);
  expect((await fixture.deliver())[0]?.body.data).toMatchObject({ kind: "daily_spend", value_nano_usd: 160 });
});

test("a balance below its threshold is announced once, and again only after it has recovered", async () => {
  const fixture = await Fixture.open(1000);
  await fixture.hook();
  await fixture.alert("balance_below", 900);
  await fixture.spend(13);
  expect((await fixture.deliver())[0]?.body.data).toMatchObject({ kind: "balance_below", value_nano_usd: 896 });
  await fixture.spend(1);
  await fixture.account.stub.grant({ id: "more", kind: "paid", amountNanoUsd: nanoUsd(100) }, "test");
  await fixture.spend(12);
  const again = await fixture.deliver();
  expect(again.map(({ body }) => body.data["value_nano_usd"])).toEqual([892]);
});

test("a failed delivery is retried with the same id and growing pauses, then the webhook is disabled with the reason", async () => {
  const fixture = await Fixture.open();
  const id = await fixture.hook();
  fixture.status = 500;
  await fixture.alert("balance_below", CREDIT + 1);
  const ids = new Set<string>();
  for (let tries = 1; tries <= TRIES_MAX; tries += 1) {
    const [first] = await fixture.deliver();
    ids.add(first?.id ?? "none");
    if (tries < TRIES_MAX) expect(await fixture.webhook(id)).not.toHaveProperty("disabledReason");
    fixture.nowMs += 13 * 3_600_000;
  }
  expect(ids.size).toBe(1);
  expect(await fixture.webhook(id)).toMatchObject({
    disabledReason: `${TRIES_MAX} tries failed; last: HTTP 500`,
    lastAttempt: { detail: "HTTP 500" },
  });
  fixture.got.length = 0;
  await runDurableObjectAlarm(fixture.account.stub);
  expect(fixture.got).toEqual([]);
});

test("a notice is not sent before it is due, nor again after it was delivered", async () => {
  const fixture = await Fixture.open();
  await fixture.hook();
  fixture.status = 503;
  await fixture.alert("balance_below", CREDIT + 1);
  expect(await fixture.deliver()).toHaveLength(1);
  fixture.status = 200;
  expect(await fixture.deliver()).toHaveLength(0);
  fixture.nowMs += 10_000;
  expect(await fixture.deliver()).toHaveLength(1);
  fixture.nowMs += 86_400_000;
  await runDurableObjectAlarm(fixture.account.stub);
  expect(fixture.got).toHaveLength(1);
});

test("a receiver that answers 410 is disabled at once; a successful test makes it active again", async () => {
  const fixture = await Fixture.open();
  const id = await fixture.hook();
  fixture.status = 410;
  await fixture.alert("balance_below", CREDIT + 1);
  await fixture.deliver();
  expect(await fixture.webhook(id)).toMatchObject({ disabledReason: "it is gone; last: HTTP 410" });
  fixture.status = 200;
  expect(await fixture.account.stub.testWebhook(id, "test")).toEqual({ kind: "delivered", detail: "HTTP 200" });
  expect(fixture.got.at(-1)?.body).toMatchObject({ type: "webhook.test", data: { webhook_id: id } });
  expect(await fixture.webhook(id)).not.toHaveProperty("disabledReason");
  expect(await fixture.account.stub.testWebhook(id, "test")).toBe("too_soon");
});

test("a deleted webhook gets none of the notices that waited for it", async () => {
  const fixture = await Fixture.open();
  const id = await fixture.hook();
  await fixture.alert("balance_below", CREDIT + 1);
  expect(await fixture.account.stub.deleteWebhook(id, "test")).toBe("deleted");
  expect(await fixture.deliver()).toEqual([]);
  expect(await fixture.account.stub.deleteWebhook(id, "test")).toBe("unknown");
});

test("alerts and webhooks are limited in number; a secret is shown once and is in no log", async () => {
  const fixture = await Fixture.open();
  for (let index = 0; index < 20; index += 1) await fixture.alert("monthly_spend", 1000 + index);
  expect(await fixture.alert("monthly_spend", 1)).toBe("too_many");
  for (let index = 0; index < 10; index += 1) await fixture.hook();
  expect(await fixture.account.stub.createWebhook({ url: URL_A }, "test")).toBe("too_many");
  expect(JSON.stringify(await fixture.account.stub.listWebhooks())).not.toContain("whsec_");
  expect(JSON.stringify(await fixture.account.stub.auditLog(undefined, 100))).not.toContain("whsec_");
});

test("an account without alerts has no tables for them", async () => {
  const account = await openAccount(CREDIT);
  const isolate = new TestIsolate();
  admissionOf(await isolate.admit(account, 10)).settle(settlement(10));
  await isolate.report();
  const tables = await runInDurableObject(account.stub, (_object, state) =>
    state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name IN ('alerts', 'webhooks', 'outbox')").toArray(),
  );
  expect(tables).toEqual([]);
  expect((await account.stub.getAccount())?.chargedNanoUsd).toBe(80);
});

test("alerts that are not crossed cost a sync no row", async () => {
  const fixture = await Fixture.open();
  const rowsOf = async () => (await fixture.account.stub.operations()).rowsWritten;
  const isolate = new TestIsolate();
  const spend = async () => {
    admissionOf(await isolate.admit(fixture.account, 10)).settle(settlement(10));
    await isolate.report();
  };
  const writes = (table: string) =>
    runInDurableObject(fixture.account.stub, (_object, state) =>
      state.storage.sql
        .exec(`SELECT body FROM ${table}`)
        .toArray()
        .map(({ body }) => body),
    );
  await spend();
  const before = await rowsOf();
  await spend();
  const plain = (await rowsOf()) - before;
  for (const kind of ["daily_spend", "monthly_spend"] as const) await fixture.alert(kind, CREDIT);
  await fixture.alert("balance_below", 1);
  const [rows, alerts] = [await rowsOf(), await writes("alerts")];
  await spend();
  expect((await rowsOf()) - rows).toBe(plain);
  expect(await writes("alerts")).toEqual(alerts);
});

test("an account that spends reports its sums to the directory by its alarm", async () => {
  await directoryTables();
  const account = await openAccount(CREDIT);
  await env.DIRECTORY.prepare("INSERT INTO accounts (id, name, created_at_ms, status) VALUES (?, 'x', 1, 'active')")
    .bind(account.id)
    .run();
  const isolate = new TestIsolate();
  admissionOf(await isolate.admit(account, 10)).settle(settlement(10));
  await isolate.report();
  expect(await runDurableObjectAlarm(account.stub)).toBe(true);
  const row = await env.DIRECTORY.prepare("SELECT * FROM accounts WHERE id = ?").bind(account.id).first();
  expect(row).toMatchObject({ charged_nano_usd: 80, status: "active" });
});

test("a hard monthly limit refuses, is named in the refusal, and resets with the UTC month", async () => {
  const fixture = await Fixture.open();
  await fixture.account.stub.setLimits({ monthlyNanoUsd: nanoUsd(80) }, "owner");
  await fixture.spend(10);
  const refused = await new TestIsolate().admit(fixture.account, 1);
  expect(refused).toMatchObject({ refusal: { kind: "insufficient_credit", which: "monthly_limit" } });
  fixture.nowMs = Date.UTC(2030, 5, 1) - 1;
  expect(await new TestIsolate().admit(fixture.account, 1)).toMatchObject({ kind: "refused" });
  fixture.nowMs += 1;
  expect(await new TestIsolate().admit(fixture.account, 10)).toMatchObject({ kind: "admitted" });
});

test("the first report of a month counts in it, even from a session that began the month before", async () => {
  const fixture = await Fixture.open();
  await fixture.account.stub.setLimits({ monthlyNanoUsd: nanoUsd(80) }, "owner");
  fixture.nowMs = Date.UTC(2030, 5, 1) - 1;
  const isolate = new TestIsolate();
  const admission = admissionOf(await isolate.admit(fixture.account, 10));
  fixture.nowMs += 1;
  admission.settle(settlement(10));
  await isolate.report();
  expect((await fixture.account.stub.getAccount())?.monthSpentNanoUsd).toBe(80);
  const refused = await new TestIsolate().admit(fixture.account, 1);
  expect(refused).toMatchObject({ refusal: { kind: "insufficient_credit", which: "monthly_limit" } });
});

test("a spend alert fires once a month, when the month's spend first reaches it, whatever the order of checks", () => {
  const alert: AlertRecord = {
    id: "alert_x" as AlertRecord["id"],
    kind: "monthly_spend",
    thresholdNanoUsd: nanoUsd(100),
    createdAtMs: 1,
  };
  const step = fc.record({ month: fc.nat({ max: 1 }), spend: fc.nat({ max: 60 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let [record, monthStartMs, spent] = [alert, 0, 0];
      const fired: [month: number, at: number][] = [];
      const expected: [month: number, at: number][] = [];
      for (const { month, spend } of steps) {
        if (month === 1) [monthStartMs, spent] = [monthStartMs + 1, 0];
        const before = spent;
        spent += spend;
        if (before < 100 && spent >= 100) expected.push([monthStartMs, spent]);
        const levels = {
          balanceNanoUsd: nanoUsd(0),
          dayStartMs: 0,
          dayNanoUsd: nanoUsd(0),
          monthStartMs,
          monthNanoUsd: nanoUsd(spent),
        };
        for (const change of changedAlerts([record], levels, 5)) {
          record = change.record;
          if (change.firedAtNanoUsd !== undefined) fired.push([monthStartMs, change.firedAtNanoUsd]);
        }
      }
      expect(fired).toEqual(expected);
    }),
  );
});

/** The signatures of a delivery, as a receiver with `secret` would make it. */
async function signatureOf(secret: string, { id, headers, text }: Fixture["got"][0]): Promise<string> {
  const atMs = Number(headers["webhook-timestamp"]) * 1000;
  return (await signedHeaders([secret], id, atMs, text))["webhook-signature"];
}

test("after a rotation both secrets sign until the overlap ends", async () => {
  const fixture = await Fixture.open();
  const { stub } = fixture.account;
  const made = await stub.createWebhook({ url: URL_A }, "test");
  if (typeof made !== "object" || !("id" in made)) throw new Error("no webhook");
  const rotated = await stub.rotateWebhook(made.id, 60_000, "test");
  if (typeof rotated !== "object" || !("id" in rotated)) throw new Error("not rotated");
  expect(rotated).toMatchObject({ id: made.id, previousUntilMs: fixture.nowMs + 60_000 });
  const signatures = async () => {
    fixture.nowMs += 30_000;
    expect(await stub.testWebhook(made.id, "test")).toMatchObject({ kind: "delivered" });
    const sent = fixture.got.at(-1);
    if (sent === undefined) throw new Error("nothing was sent");
    const [old, fresh] = [await signatureOf(made.secret, sent), await signatureOf(rotated.secret, sent)];
    return { old, fresh, given: sent.headers["webhook-signature"]?.split(" ") };
  };
  const during = await signatures();
  expect(during.given).toEqual([during.fresh, during.old]);
  const after = await signatures();
  expect(after.given).toEqual([after.fresh]);
});

test("secrets are stored sealed, and a plain secret from an older version still signs and is then sealed", async () => {
  const fixture = await Fixture.open();
  const { stub } = fixture.account;
  const id = await fixture.hook();
  await stub.rotateWebhook(id as Id<"webhook">, 60_000, "test");
  const old = newWebhookSecret();
  await runInDurableObject(stub, (_object, { storage }) => {
    const rows = storage.sql.exec<{ body: string }>("SELECT body FROM webhooks").toArray();
    expect(JSON.stringify(rows)).not.toContain("whsec_");
    const record = JSON.parse(rows[0]?.body ?? "") as object;
    const open = JSON.stringify({ ...record, secret: old, previous: undefined });
    storage.sql.exec("UPDATE webhooks SET body = ?", open);
  });
  await stub.testWebhook(id, "test");
  const sent = fixture.got.at(-1);
  if (sent === undefined) throw new Error("nothing was sent");
  expect(sent.headers["webhook-signature"]).toBe(await signatureOf(old, sent));
  await runInDurableObject(stub, (_object, { storage }) => {
    const rows = storage.sql.exec<{ body: string }>("SELECT body FROM webhooks").toArray();
    expect(JSON.stringify(rows)).not.toContain("whsec_"); // sealed when it was used
    const gone = { sealed: btoa("\u0001".repeat(80)) };
    const record = JSON.parse(rows[0]?.body ?? "") as object;
    storage.sql.exec("UPDATE webhooks SET body = ?", JSON.stringify({ ...record, secret: gone }));
  });
  fixture.nowMs += 60_000;
  const detail = "its signing secret cannot be read any more: rotate it";
  expect(await stub.testWebhook(id, "test")).toEqual({ kind: "failed", detail });
  await stub.rotateWebhook(id as Id<"webhook">, 0, "test");
  fixture.nowMs += 60_000;
  expect(await stub.testWebhook(id, "test")).toMatchObject({ kind: "delivered" });
});

test("a webhook's address and events change, and a new address is active again", async () => {
  const fixture = await Fixture.open();
  const { stub } = fixture.account;
  const id = await fixture.hook(URL_A, ["batch.completed"]);
  fixture.status = 410;
  await stub.testWebhook(id, "test");
  expect(await fixture.webhook(id)).toMatchObject({ disabledReason: "it is gone; last: HTTP 410" });
  fixture.status = 200;
  expect(await stub.patchWebhook(id, { events: null }, "test")).toHaveProperty("disabledReason");
  const moved = await stub.patchWebhook(id, { url: "https://example.com/b" }, "test");
  expect(moved).not.toHaveProperty("disabledReason");
  expect(moved).not.toHaveProperty("events");
  await fixture.alert("balance_below", CREDIT + 1);
  expect((await fixture.deliver()).map(({ url }) => url)).toEqual(["https://example.com/b"]);
  expect(await stub.patchWebhook("wh_0", {}, "test")).toBe("unknown");
});
