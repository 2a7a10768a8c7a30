// npm run soak [-- --minutes N] [--seed S]: runs the edge under mixed traffic and scheduled faults, for ten minutes by
// default, then checks its books, leases and memory. `--quiet`: one customer who calls every 12 s, 45 times, then
// nobody, then a sign-in to the dashboard. Prints a verdict; exit code 1 if it is not good.
import { parseArgs } from "node:util";
import { ensureTypeScript, fail } from "./install.mjs";

await ensureTypeScript();
const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    quiet: { type: "boolean", default: false },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
  },
});
const minutes = Number(values.minutes);
if (!(minutes >= 1)) fail("--minutes must be a number, 1 or more.");
if (values.quiet) {
  const { soakQuietly } = await import("../test/soak/quiet.ts");
  process.exit((await soakQuietly({ calls: 45, everyMs: 12_000 })) ? 0 : 1);
}
const { soak } = await import("../test/soak/soak.ts");
process.exit((await soak({ minutes, seed: Number(values.seed) })) ? 0 : 1);
