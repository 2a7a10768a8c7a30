// What the runtime itself costs: a Worker that sends each request on to the upstream and its answer back, both unread, as
// the edge's own process does all else. Argument: the upstream's origin. Tells by IPC: url.

import { Miniflare } from "miniflare";

const [origin = ""] = process.argv.slice(2);
const FORWARDER = `export default {
  fetch: ({ body }) => fetch(${JSON.stringify(`${origin}/v1/embeddings`)}, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  }),
};`;
const miniflare = new Miniflare({
  modules: [{ type: "ESModule", path: "worker.mjs", contents: FORWARDER }],
  compatibilityDate: "2026-04-24",
  // Its own socket, as the edge has.
  unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
  stripCfConnectingIp: false,
  cf: false,
});
await miniflare.ready;
const { origin: url } = await miniflare.unsafeGetDirectURL();
process.send?.({ url });
process.once("disconnect", () => {
  void miniflare.dispose().finally(() => process.exit(0));
});
