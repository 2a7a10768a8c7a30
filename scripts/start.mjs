// npm start [-- --port N --data DIR --model DIR-OR-HUB-ID]: backend and edge on this machine, with a key that works.
import { ensureInstalled } from "./install.mjs";

ensureInstalled();
const { register } = await import("tsx/esm/api");
register();
const { main } = await import("./dev-server/main.ts");
await main(process.argv.slice(2));
