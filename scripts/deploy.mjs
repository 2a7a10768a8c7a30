// npm run deploy -- --env staging|production [--dry-run] [--create-secrets] [--take-over], or --env NAME --rollback
// [VERSION] Checks the configuration, creates missing resources at Cloudflare, migrates the directory, deploys the
// Worker.
import { ensureTypeScript } from "./install.mjs";

await ensureTypeScript();
const { main } = await import("./deploy/main.ts");
process.exitCode = await main(process.argv.slice(2));
