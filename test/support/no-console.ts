// Any console output fails the test that made it: logs are part of the product's contract, noise is not. The Worker's
// own lines on what a test broke on purpose are none; one on an error that nobody expected is.
import { afterEach, beforeEach, expect, vi } from "vitest";

const METHODS = ["log", "info", "warn", "error", "debug"] as const;
const EXPECTED =
  /"event":"(?:request|faults_uncounted|ledger_sync_failed|backend_down|backend_refuses_secret|batch_postponed)"/;
const seen: string[] = [];

beforeEach(() => {
  seen.length = 0;
  for (const method of METHODS) {
    vi.spyOn(console, method).mockImplementation((...parts: unknown[]) => {
      const text = parts.map(String).join(" ");
      if (!EXPECTED.test(text) || /"event":"request".*"code":"internal_error"/.test(text))
        seen.push(`console.${method}: ${text}`);
    });
  }
});

afterEach(() => {
  vi.restoreAllMocks();
  expect(seen).toEqual([]);
});
