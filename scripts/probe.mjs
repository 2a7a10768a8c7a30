// npm run probe -- --url https://HOST [--model MODEL] [--every SECONDS] Embeds one text through a public URL, as a
// customer does, with the key in GIGAROUTER_API_KEY. Exit code 1 if it is not served. With --every it repeats until it
// is stopped and prints one line each time, as a monitor.
import { ensureTypeScript } from "./install.mjs";

await ensureTypeScript();
const { main } = await import("./probe/main.ts");
process.exitCode = await main(process.argv.slice(2));
