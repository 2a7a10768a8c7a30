// npm run doctor -- [--data DIR] [--port N] [--url URL] [--backend URL] [--email ADDRESS]
// Says in plain words what is wrong with this machine, the configuration, or a running system, and what cures it.
// BACKEND_SECRET in the environment lets it ask a backend more than whether it is ready; with EMAIL_API_URL, EMAIL_API_KEY
// and EMAIL_FROM there, --email sends one message.
import { ensureInstalled } from "./install.mjs";

ensureInstalled();
const { register } = await import("tsx/esm/api");
register();
const { main } = await import("./doctor/main.ts");
process.exitCode = await main(process.argv.slice(2));
