// npm run bench:worst [-- BYTES [PATTERN]]: what the worst calls cost, each sent by an account without credit to the
// whole product: the CPU of edge and backend, and the longest that another caller's small calls took meanwhile.
// PATTERN: only calls whose names match.
import { ALPHABETS, ENGLISH, FIELDS, PRODUCTS, STRUCTURES, textAttack } from "./inputs.ts";
import type { Attack } from "./inputs.ts";
import { MODEL, startStage } from "./stage.ts";

const bytes = Number(process.argv[2] ?? 8_000_000);
const pattern = new RegExp(process.argv[3] ?? "");
const stage = await startStage();

async function row(name: string, attackOf: () => Attack): Promise<void> {
  if (!pattern.test(name)) return;
  const attack = attackOf();
  const cost = await stage.measure(attack);
  const longestMs = Math.max(...(await stage.smallCallsMs(false, stage.send(attack))));
  const { status, code, ms, edgeCpuMs, backendCpuMs } = cost;
  const size = (Buffer.byteLength(attack.body) / 1e6).toFixed(2);
  console.log(
    [name, `${size} MB`, `${status} ${code}`, ...[ms, edgeCpuMs, backendCpuMs, longestMs].map(Math.round)].join(" | "),
  );
}

console.log("call | size | answer | ms | edge CPU ms | backend CPU ms | longest small call of another, ms");
for (const [field, make] of Object.entries(FIELDS)) {
  for (const [name, unit] of [["English", ENGLISH], ...Object.entries(ALPHABETS)] as const) {
    await row(`${field}: ${name}`, () => textAttack(make, MODEL, unit, bytes * 0.9));
  }
}
for (const [name, make] of Object.entries(STRUCTURES)) await row(name, () => make(MODEL, bytes));
for (const [name, make] of Object.entries(PRODUCTS)) await row(name, () => make(MODEL));
await stage.stop();
