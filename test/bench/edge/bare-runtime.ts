// Starts a Worker of one script with a socket of its own, as the edge has one, tells its url by IPC, and ends with the
// program that started it.

import { Miniflare } from "miniflare";

export async function startWorker(contents: string): Promise<void> {
  const miniflare = new Miniflare({
    modules: [{ type: "ESModule", path: "worker.mjs", contents }],
    compatibilityDate: "2026-04-24",
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
    stripCfConnectingIp: false,
    cf: false,
  });
  await miniflare.ready;
  const { origin } = await miniflare.unsafeGetDirectURL();
  process.send?.({ url: origin });
  process.once("disconnect", () => {
    void miniflare.dispose().finally(() => process.exit(0));
  });
}
