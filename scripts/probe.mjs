// npm run probe -- --url https://HOST [--model MODEL] [--every SECONDS]
// One embedding through a public URL, as a customer makes it, with the key in GIGAROUTER_API_KEY; exit code 1 when it is
// not served. With --every it goes on until it is ended, a line each time: for a monitor anywhere.
import { ensureInstalled } from "./install.mjs";

ensureInstalled();
const { register } = await import("tsx/esm/api");
register();
const { main } = await import("./probe/main.ts");
process.exitCode = await main(process.argv.slice(2));
