// Console output fails the test that made it. The Worker's own log lines about faults that a test causes on purpose are
// allowed; a line about an unexpected error is not.
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
