// npm run restore -- --url https://OPERATOR-HOST --in FILE.ndjson.gz
// A backup into a deployment that lacks it and has the same secrets, with the key in ADMIN_KEY. What is there stays as it
// is, so that it can be repeated. docs/operating.md, "Backups".
import { ensureInstalled } from "./install.mjs";

ensureInstalled();
const { register } = await import("tsx/esm/api");
register();
const { restore } = await import("./backup/main.ts");
process.exitCode = await restore(process.argv.slice(2));
