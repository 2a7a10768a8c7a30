// npm run restore -- --url https://OPERATOR-HOST --in FILE.ndjson.gz Restores a backup into a deployment with the same
// secrets, with the key in ADMIN_KEY. Existing accounts are not changed, so it can be repeated. docs/operating.md,
// "Backups".
import { ensureTypeScript } from "./install.mjs";

await ensureTypeScript();
const { restore } = await import("./backup/main.ts");
process.exitCode = await restore(process.argv.slice(2));
