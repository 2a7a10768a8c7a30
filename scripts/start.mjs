// npm start [-- --port N --data DIR --model DIR-OR-HUB-ID]: runs backend and edge on this machine, with a working key.
import { ensureTypeScript } from "./install.mjs";

await ensureTypeScript();
const { main } = await import("./dev-server/main.ts");
await main(process.argv.slice(2));
