// npm run audit -- --url URL --key KEY [--minutes 2] [--concurrency 16] [--max-cost USD] [--seed N] … Drives a real
// account with random concurrent calls and faults from outside, then judges its bill by what was answered. docs/bill.md.
import { ensureTypeScript } from "./install.mjs";

await ensureTypeScript();
const { main } = await import("./audit/main.ts");
process.exitCode = await main(process.argv.slice(2));
