// npm run reconcile -- --url https://OPERATOR-HOST [--days N]
// Stripe's payments, refunds and disputes of the last days (3; at most 30) against the books, with the key in ADMIN_KEY.
// Exit code 1 when Stripe has events that the books refuse.
import { ensureInstalled } from "./install.mjs";

ensureInstalled();
const { register } = await import("tsx/esm/api");
register();
const { reconcile } = await import("./reconcile/main.ts");
process.exitCode = await reconcile(process.argv.slice(2));
