// node gpu-backend/start.mjs [options]: the backend alone, as `npm start`, the tests and the image start it. The options
// are in config.ts.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { builtPrograms } from "./build.mjs";

process.setSourceMapsEnabled(true);
await import(pathToFileURL(join(builtPrograms(), "main.js")).href);
