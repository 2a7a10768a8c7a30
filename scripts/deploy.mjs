// npm run deploy -- --env staging|production [--dry-run] [--create-secrets] [--take-over], or --env NAME --rollback [VERSION]
// Checks the whole configuration, creates what is missing at Cloudflare, migrates the directory, deploys the Worker.
import { ensureInstalled } from "./install.mjs";

ensureInstalled();
const { register } = await import("tsx/esm/api");
register();
const { main } = await import("./deploy/main.ts");
process.exitCode = await main(process.argv.slice(2));
