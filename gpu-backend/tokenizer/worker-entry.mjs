// Starts worker.ts under tsx. Node 20 does not hand a loader given by --import on to worker threads, so the thread
// registers it itself; this one file must therefore be plain JavaScript.

import { register } from "tsx/esm/api";

register();
await import("./worker.ts");
