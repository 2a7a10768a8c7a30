// npm run doctor -- [--data DIR] [--port N] [--url URL] [--backend URL] [--email ADDRESS] Says what is wrong with this
// machine, the configuration or a running system, and how to fix it. With BACKEND_SECRET in the environment it also
// tries a backend's secret; with EMAIL_API_URL, EMAIL_API_KEY and EMAIL_FROM, --email sends one message.
import { ensureTypeScript } from "./install.mjs";

await ensureTypeScript();
const { main } = await import("./doctor/main.ts");
process.exitCode = await main(process.argv.slice(2));
