// A leaked key is revoked by whoever reports it; the answer tells nothing about keys.
import { expect, test } from "vitest";
import { TestIsolate, openAccount, parsed } from "../account/support.ts";
import { Api } from "../support/api.ts";

const api = new Api();
const report = (body: unknown, address = "203.0.113.9") =>
  api.call("/v1/keys/report-leak", { body, headers: { "cf-connecting-ip": address } });

test("the key is dead afterwards, nobody had to log in, and the account's log says so", async () => {
  const account = await openAccount(1000);
  const answer = await report({ key: account.created.key });
  expect(answer).toMatchObject({ status: 202, body: { object: "leak_report", received: true } });
  expect(await new TestIsolate().admit(account, 1)).toMatchObject({ refusal: { kind: "revoked" } });
  const [entry] = await account.stub.auditLog(undefined, 1);
  expect(entry).toMatchObject({ actor: "leak report", action: "key.revoke" });
});

test("a revoked, a forged and a foreign key get the same answer", async () => {
  const account = await openAccount(1000);
  const { key } = account.created;
  const first = await report({ key });
  const forged = `${key.slice(0, -1)}${key.endsWith("A") ? "B" : "A"}`;
  for (const other of [key, forged, "sk-someone-elses", ` ${key} `]) {
    const answer = await report({ key: other });
    expect([answer.status, answer.text]).toEqual([first.status, first.text]);
  }
});

test("of a rotated key the old secret alone is revoked, and its holder cannot end the new one", async () => {
  const account = await openAccount(1000);
  const rotated = await account.stub.rotateKey(account.id, account.created.id, 60_000, "test");
  if (typeof rotated !== "object") throw new Error("not rotated");
  const fresh = { ...account, key: await parsed(rotated.key) };
  await report({ key: account.created.key });
  await report({ key: account.created.key });
  expect(await new TestIsolate().admit(account, 1)).toMatchObject({ kind: "refused" });
  expect(await new TestIsolate().admit(fresh, 1)).toMatchObject({ kind: "admitted" });
});

test("a body without a key is refused, browsers may call", async () => {
  expect(await report({})).toMatchObject({ status: 400, body: { error: { code: "missing_field", param: "key" } } });
  expect((await report({ key: "x" })).headers.get("access-control-allow-origin")).toBe("*");
});

test("one address may report thirty keys a minute, another is not held up by it", async () => {
  const statuses: number[] = [];
  for (let index = 0; index < 31; index += 1) statuses.push((await report({ key: "x" }, "198.51.100.20")).status);
  expect(statuses.filter((status) => status === 202)).toHaveLength(30);
  expect(statuses.at(-1)).toBe(429);
  expect((await report({ key: "x" }, "198.51.100.21")).status).toBe(202);
});
