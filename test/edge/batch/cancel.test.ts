// Cancelling: finished lines are delivered, the others are marked as cancelled, and a repeat answers the same.

import { afterEach, describe, expect, test } from "vitest";
import { NANO_USD_PER_USD } from "../../../shared/money.ts";
import { openAccount, stubOf } from "../account/support.ts";
import { Api } from "../support/api.ts";
import { embeddingLine, linesOf, startBatch, workThrough } from "./support.ts";

const api = new Api();

afterEach(() => {
  api.backend.behaviour = { kind: "well" };
});

describe("a batch that is cancelled", () => {
  test("delivers finished lines, marks the others as cancelled, and answers the same to a repeat", async () => {
    const { id: accountId, created } = await openAccount(NANO_USD_PER_USD);
    const { key } = created;
    api.backend.behaviour = { kind: "answers", status: 503, body: "" };
    const texts = ["c0", "c1", "c2"];
    const id = await startBatch(
      api,
      key,
      texts.map((text) => embeddingLine(text, text)),
    );
    await workThrough(api, key, id, ({ status }) => status === "in_progress");
    const cancelling = await api.call(`/v1/batches/${id}/cancel`, { key, method: "POST" });
    expect(cancelling.body).toMatchObject({ id, status: "cancelling" });
    const batch = await workThrough(api, key, id);
    expect(batch).toMatchObject({ status: "cancelled", output_file_id: null });
    expect(batch.request_counts).toEqual({ total: 3, completed: 0, failed: 3 });
    const errors = await linesOf(api, key, batch.error_file_id);
    expect(errors.map(({ custom_id: name, response, error }) => [name, response, error?.code])).toEqual(
      texts.map((text) => [text, null, "batch_cancelled"]),
    );
    expect((await stubOf(accountId).getAccount())?.chargedNanoUsd).toBe(0);
    const again = await api.call(`/v1/batches/${id}/cancel`, { key, method: "POST" });
    expect(again).toMatchObject({ status: 200, body: batch });
  });

  test("can be cancelled again until it has ended; one that completed cannot be cancelled", async () => {
    const { key } = (await openAccount(NANO_USD_PER_USD)).created;
    api.backend.behaviour = { kind: "answers", status: 503, body: "" };
    const id = await startBatch(api, key, [embeddingLine("a", "a")]);
    await workThrough(api, key, id, ({ status }) => status === "in_progress");
    for (let times = 0; times < 2; times += 1) {
      const answered = await api.call(`/v1/batches/${id}/cancel`, { key, method: "POST" });
      expect(answered).toMatchObject({
        status: 200,
        body: { id, status: expect.stringMatching(/^(cancell|finaliz)ing|cancelled$/) as string },
      });
    }
    await workThrough(api, key, id);
    api.backend.behaviour = { kind: "well" };
    const done = await startBatch(api, key, [embeddingLine("b", "b")]);
    await workThrough(api, key, done);
    const refused = await api.call(`/v1/batches/${done}/cancel`, { key, method: "POST" });
    expect(refused).toMatchObject({
      status: 400,
      body: { error: { message: expect.stringContaining("completed") as string } },
    });
  });
});
