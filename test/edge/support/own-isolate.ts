// The edge's test files share one isolate: loading the Worker 62 times took two minutes of CPU. This setup file runs for
// each of them and leaves the next one what a new isolate would have: no services in memory, the wallet's own
// settings, the runtime's own `fetch`, empty storage.

import { reset } from "cloudflare:test";
import { afterAll } from "vitest";
import { forgetServices } from "../../../edge/services.ts";
import { WALLET_SETTINGS } from "../../../edge/wallet/wallet.ts";
import { forgetDirectoryTables } from "./directory-tables.ts";

const { fetch } = globalThis;
const settings = { ...WALLET_SETTINGS };

// Hooks run last to first: a file's own have ended what it began.
afterAll(async () => {
  globalThis.fetch = fetch;
  Object.assign(WALLET_SETTINGS, settings);
  forgetServices();
  forgetDirectoryTables();
  await reset();
});
