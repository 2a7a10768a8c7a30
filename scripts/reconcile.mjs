// npm run reconcile -- --url https://OPERATOR-HOST [--days N] Reconciles the books with Stripe's payments, refunds and
// disputes of the last N days (default 3, at most 30), with the key in ADMIN_KEY. Exit code 1 if Stripe has events that
// the books refuse.
import { ensureTypeScript } from "./install.mjs";

await ensureTypeScript();
const { reconcile } = await import("./reconcile/main.ts");
process.exitCode = await reconcile(process.argv.slice(2));
