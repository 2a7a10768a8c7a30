// npm run bench:worst [-- BYTES [PATTERN]]: what the worst calls cost, each sent by an account without credit to the
// whole product: the CPU of edge and backend, and the longest that another caller's small calls took meanwhile.
// Of a batch's file: upload, validation and run. PATTERN: only calls whose names match.
import { ALPHABETS, ENGLISH, FIELDS, PRODUCTS, STRUCTURES, textAttack } from "./inputs.ts";
import type { Attack } from "./inputs.ts";
import {
  FILES,
  HEADER_NAMES,
  HEADER_UNITS,
  LINE_FIELDS,
  PATHS,
  PATH_UNITS,
  QUERIES,
  headerAttack,
  linesOf,
  pathAttack,
  queryAttack,
} from "./requests.ts";
import { MODEL, startStage } from "./stage.ts";
import type { Cost } from "./stage.ts";

/** Of a batch's line, about: fewer tokens than a model takes, or each line fails by itself, one after the other. */
const LINE_BYTES = 5000;

const bytes = Number(process.argv[2] ?? 8_000_000);
const pattern = new RegExp(process.argv[3] ?? "");
const stage = await startStage();

async function row(name: string, attackOf: () => Attack): Promise<void> {
  if (!pattern.test(name)) return;
  const attack = attackOf();
  const cost = await stage.measure(attack);
  print(name, attack.body, cost, await stage.smallCallsMs(false, stage.send(attack)));
}

async function batchRow(name: string, fileOf: () => string): Promise<void> {
  if (!pattern.test(name)) return;
  const file = fileOf();
  const cost = await stage.measureBatch(file);
  print(name, file, cost, await stage.smallCallsMs(false, stage.measureBatch(file)));
}

function print(name: string, sent: Attack["body"], cost: Cost, smallMs: readonly number[]): void {
  const { status, code, ms, edgeCpuMs, backendCpuMs } = cost;
  const longestMs = Math.max(...smallMs);
  const size = (Buffer.byteLength(sent) / 1e6).toFixed(2);
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
for (const header of HEADER_NAMES) {
  for (const [name, unit] of Object.entries(HEADER_UNITS))
    await row(`${header}: ${name}`, () => headerAttack(header, unit, MODEL));
}
for (const path of PATHS) {
  for (const [name, unit] of Object.entries(PATH_UNITS)) await row(`${path}: ${name}`, () => pathAttack(path, unit));
}
for (const [name, unit] of Object.entries(QUERIES)) await row(`a query: ${name}`, () => queryAttack(unit));
for (const field of Object.keys(LINE_FIELDS)) {
  for (const [name, unit] of [["English", ENGLISH], ...Object.entries(ALPHABETS)] as const)
    await batchRow(`lines, ${field}: ${name}`, () => linesOf(field, MODEL, unit, bytes, LINE_BYTES));
}
for (const [name, make] of Object.entries(FILES)) await batchRow(`a file: ${name}`, () => make(bytes));
await stage.stop();
