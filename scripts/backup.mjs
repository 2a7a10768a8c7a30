// npm run backup -- --url https://OPERATOR-HOST --out FILE.ndjson.gz [--r2 BUCKET] Writes all accounts' books into a
// local file, with the key in ADMIN_KEY; with --r2 also into a bucket. It continues where a connection broke.
// docs/operating.md, "Backups".
import { ensureTypeScript } from "./install.mjs";

await ensureTypeScript();
const { backup } = await import("./backup/main.ts");
process.exitCode = await backup(process.argv.slice(2));
