// GET /status.json: what everyone may know of each model, and nothing of where it runs.

import { expect, test } from "vitest";
import { Api } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";

const GONE = "https://gone.test";
const origins = ["https://backend.test", GONE].map((origin) => ({ model: MODEL, origin }));
const api = new Api({ BACKENDS: JSON.stringify(origins) });

test("a model with one of two backends ready is degraded, and no origin is shown", async () => {
  const { status, headers, body, text } = await api.call("/status.json");
  expect(status).toBe(200);
  expect(body["status"]).toBe("degraded");
  expect(body["models"]).toEqual([{ id: MODEL, status: "degraded", backends: { ready: 1, configured: 2 } }]);
  expect(headers.get("cache-control")).toBe("public, max-age=15");
  expect(text).not.toContain("https://");
});

test("it takes no key, and HEAD", async () => {
  const { status, text } = await api.call("/status.json", { method: "HEAD" });
  expect(status).toBe(200);
  expect(text).toBe("");
});
