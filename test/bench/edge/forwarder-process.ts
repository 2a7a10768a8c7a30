// What the runtime itself costs: a Worker that sends each request on to the upstream and its answer back, both unread, as
// the edge's own process does all else. Argument: the upstream's origin. Tells by IPC: url.

import { startWorker } from "./bare-runtime.ts";

const [origin = ""] = process.argv.slice(2);
await startWorker(`export default {
  fetch: ({ body }) => fetch(${JSON.stringify(`${origin}/v1/embeddings`)}, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  }),
};`);
