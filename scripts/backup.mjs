// npm run backup -- --url https://OPERATOR-HOST --out FILE.ndjson.gz [--r2 BUCKET]
// The whole books into a file of this machine, with the key in ADMIN_KEY; with --r2 into a bucket too. It goes on where a
// connection broke. docs/operating.md, "Backups".
import { ensureInstalled } from "./install.mjs";

ensureInstalled();
const { register } = await import("tsx/esm/api");
register();
const { backup } = await import("./backup/main.ts");
process.exitCode = await backup(process.argv.slice(2));
