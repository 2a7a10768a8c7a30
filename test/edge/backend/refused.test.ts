// A backend that does not take the edge's secret: no call is served, so nothing may say that all is well.

import { afterEach, describe, expect, test, vi } from "vitest";
import { Api } from "../support/api.ts";
import { FakeBackend, MODEL, ManualClock, REVISION_1, vectorOf } from "../support/fake-backends.ts";
import { callOf, codeOf, readyPool, textsOf } from "../support/pool-fixture.ts";

const lines: Record<string, unknown>[] = [];
function listen(): void {
  lines.length = 0;
  vi.spyOn(console, "error").mockImplementation((text: string) => {
    lines.push(JSON.parse(text) as Record<string, unknown>);
  });
}
afterEach(() => vi.restoreAllMocks());

describe("the only backend refuses the secret", () => {
  const api = new Api();
  api.backend.behaviour = { kind: "refuses the secret", status: 401, where: "everywhere" };

  test("/ready, /status.json, the log and the call all name it, the log once", async () => {
    listen();
    const ready = await api.call("/ready");
    expect(ready.status).toBe(503);
    expect(ready.body["backends"]).toMatchObject([
      { model: MODEL, status: "secret_refused", reasons: ["backend 1 of 1: refuses BACKEND_SECRET (status 401)"] },
    ]);
    expect((await api.call("/status.json")).body).toMatchObject({
      status: "misconfigured",
      models: [{ status: "misconfigured" }],
    });
    const { key } = await api.newAccount();
    const headers = { prefer: "wait=0" };
    const answer = await api.call("/v1/embeddings", { key, headers, body: { model: MODEL, input: "a" } });
    expect(answer.status).toBe(503);
    expect(answer.text).not.toContain("SECRET");
    expect(lines.map(({ event }) => event)).toEqual(["backend_refuses_secret", "request"]);
    expect(lines[0]).toMatchObject({ model: MODEL, origin: "https://backend.test", level: "error" });
  });
});

describe.each([401, 403] as const)("one of two backends answers calls with %i", (status) => {
  test.each(["everywhere", "calls"] as const)("(%s): the other serves, and the first gets no more", async (where) => {
    listen();
    const [a, b] = [new FakeBackend("http://a"), new FakeBackend("http://b")];
    a.behaviour = { kind: "refuses the secret", status, where };
    const clock = new ManualClock();
    const pool = await readyPool([a, b], clock);
    for (const text of ["x", "y"]) {
      const answer = await pool.embed(textsOf(text), REVISION_1, callOf());
      expect([...answer.vectors]).toEqual([...vectorOf(text, REVISION_1)]);
    }
    expect(pool.states()[0]).toMatchObject({ health: "refused", breaker: "closed" });
    expect(b.embeds).toHaveLength(2);
    expect(lines.map(({ event }) => event)).toEqual(["backend_refuses_secret"]);
  });
});

test("alone, one whose calls are refused ends the call as no backend does, and is named", async () => {
  listen();
  const a = new FakeBackend("http://a");
  const clock = new ManualClock();
  const pool = await readyPool([a], clock);
  a.behaviour = { kind: "refuses the secret", status: 403, where: "calls" };
  expect(await codeOf(pool.embed(textsOf("x"), REVISION_1, callOf({ coldHoldMs: 1000 })))).toBe("model_not_ready");
  expect(lines[0]).toMatchObject({ event: "backend_refuses_secret", message: "refuses BACKEND_SECRET (status 403)" });
});
