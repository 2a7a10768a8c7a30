// What the log says of an error: everything but what somebody sent.

import { afterEach, expect, test, vi } from "vitest";
import { describeError, loggedFault } from "../../edge/lib/log.ts";
import { apiError } from "../../shared/errors.ts";

const lines: Record<string, unknown>[] = [];
afterEach(() => {
  vi.restoreAllMocks();
  lines.length = 0;
});

test("an error is named with its causes and the innermost one's frames, without quotes, keys or parsers' words", () => {
  const inner = new Error("no such column: x near 'needle' for gr-needle and sk_live_needle");
  const { error, stack } = describeError(new Error("D1 failed", { cause: inner }));
  expect(error).toBe("Error: D1 failed ← Error: no such column: x near … for … and …");
  expect(stack).toMatch(/^\s+at /);
  expect(describeError(new SyntaxError("needle is no JSON")).error).not.toContain("needle");
  expect(describeError("needle")).toEqual({ error: "string" });
});

test("our own faults leave a line, refusals and a busy model none, and the error is handed on", () => {
  vi.spyOn(console, "error").mockImplementation((text: string) => {
    lines.push(JSON.parse(text) as Record<string, unknown>);
  });
  for (const code of ["overloaded", "model_not_ready", "insufficient_credit", "empty_input"] as const) {
    const error = apiError(code, "x");
    expect(loggedFault("batch_postponed", error)).toBe(error);
  }
  expect(lines).toEqual([]);
  loggedFault("batch_postponed", apiError("ledger_unavailable", "The ledger did not answer."));
  loggedFault("batch_postponed", new TypeError("pool.x is not a function"));
  expect(lines).toMatchObject([
    { event: "batch_postponed", code: "ledger_unavailable" },
    { event: "batch_postponed", error: "TypeError: pool.x is not a function" },
  ]);
});
