// npm run soak [-- --minutes N] [--seed S]: the edge under mixed traffic and faults on a schedule, for ten minutes
// unless told; then its books, its leases and its memory are judged. `--quiet`: one customer who calls every 12 s, 45 times,
// then nobody, then a sign-in to the dashboard. Prints a verdict; exit code 1 when it is not good.
import { parseArgs } from "node:util";
import { register } from "tsx/esm/api";
import { ensureInstalled, fail } from "./install.mjs";

ensureInstalled();
register();
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
