// One caller cannot hurt another: whatever an account without credit sends, it costs about what English of its length
// costs, and another caller's calls go on. The long form, with the figures of docs/operating.md: npm run bench:worst.
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ALPHABETS, ENGLISH, FIELDS, PRODUCTS, STRUCTURES, runs, textAttack } from "../bench/worst/inputs.ts";
import type { Attack } from "../bench/worst/inputs.ts";
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
} from "../bench/worst/requests.ts";
import { MODEL, startStage } from "../bench/worst/stage.ts";
import type { Cost, Stage } from "../bench/worst/stage.ts";

const COST_FACTOR_MAX = 10;
/** The kernel counts in steps of 10 ms, and what runs now and then (collecting garbage, compiling) is in the figure too. */
const CPU_MS_FLOOR = 150;
const TRIES = 2;
const BYTES = 1_000_000;
/** Of a field that reaches the tokenizer. */
const TEXT_BYTES = 60_000;
const FILE_BYTES = 150_000;
const RUN_BYTES = 120_000;
const OTHER_MS_MAX = 100;
const MIB = 1024 * 1024;
const isLinux = process.platform === "linux";

let stage: Stage;
const english = new Map<string, Cost>();

beforeAll(async () => {
  if (!isLinux) return;
  stage = await startStage();
  const twice = async (attack: Attack) => (await stage.measure(attack), stage.measure(attack));
  for (const [field, make] of Object.entries(FIELDS)) {
    english.set(field, await twice(textAttack(make, MODEL, ENGLISH, TEXT_BYTES)));
  }
  english.set("a header", await twice(headerAttack("user-agent", ENGLISH, MODEL)));
  english.set("", await twice(textAttack(fieldOf("a text"), MODEL, ENGLISH, BYTES)));
});
afterAll(async () => {
  if (isLinux) await stage.stop();
});

function fieldOf(name: string): (typeof FIELDS)[string] {
  const field = FIELDS[name];
  if (field === undefined) throw new Error(`no field ${name}`);
  return field;
}

/** What is unlike its English namesake in what it costs, edge and backend each by itself. */
async function expensive(field: string, attack: Attack): Promise<string | undefined> {
  let found: string | undefined;
  for (let left = TRIES; left > 0; left -= 1) {
    found = unlike(english.get(field), await stage.measure(attack));
    if (found === undefined) return undefined;
  }
  return found;
}

function unlike(usual: Cost | undefined, cost: Cost): string | undefined {
  if (cost.status >= 500) return `answered ${cost.status} ${cost.code}`;
  for (const side of ["edgeCpuMs", "backendCpuMs"] as const) {
    const most = CPU_MS_FLOOR + COST_FACTOR_MAX * (usual?.[side] ?? 0);
    if (cost[side] > most) return `${side} ${cost[side]}, over ${most}`;
  }
  return undefined;
}

/** The median of the other caller's small calls while `attack` goes on, in milliseconds. */
async function otherMs(computed: boolean, attack: Promise<unknown>): Promise<number> {
  const times = await stage.smallCallsMs(computed, attack);
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
}

function peakOf(pid: number, field: "VmHWM" | "VmRSS"): number {
  const line = new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1]) * 1024;
}

if (!isLinux) {
  test("NOT MEASURED on this system: CPU and memory of processes are read from Linux's /proc", () => {
    expect(isLinux).toBe(false);
  });
}

describe.runIf(isLinux)("what one call costs", () => {
  // Each alphabet in one of the fields, in turn: all pairs are the long form's.
  const texts = Object.keys(FIELDS);
  const pairs = Object.entries(ALPHABETS).map(
    ([name, unit], index) => [name, texts[index % texts.length] ?? "", unit] as const,
  );
  test.each(pairs)("is about what English costs: %s as %s", async (_, field, unit) => {
    expect(await expensive(field, textAttack(fieldOf(field), MODEL, unit, TEXT_BYTES))).toBeUndefined();
  });

  test.each(["a model's name", "a field's name", "an ignored field"])(
    "is about what English costs: a run of each alphabet after the other as %s",
    async (field) => {
      const text = runs(RUN_BYTES);
      expect(await expensive("", textAttack(fieldOf(field), MODEL, text, text.length))).toBeUndefined();
    },
  );

  test.each(Object.entries(STRUCTURES))("is about what English costs: %s", async (_, make) => {
    expect(await expensive("", make(MODEL, BYTES))).toBeUndefined();
  });

  test.each(Object.entries(PRODUCTS))("is less than that of a large call: %s", async (_, make) => {
    expect(await expensive("documents", make(MODEL))).toBeUndefined();
  });

  test("is next to nothing for headers, paths and queries, however they are", async () => {
    const units = Object.values(HEADER_UNITS);
    const headers = HEADER_NAMES.map((name, index) => headerAttack(name, units[index % units.length] ?? "a", MODEL));
    const paths = Object.values(PATH_UNITS).flatMap((unit, index) =>
      ["/v1/", PATHS[index % PATHS.length] ?? "/"].map((prefix) => pathAttack(prefix, unit)),
    );
    const found: string[] = [];
    for (const attack of [...headers, ...paths, ...Object.values(QUERIES).map(queryAttack)]) {
      const said = await expensive("a header", attack);
      if (said !== undefined) found.push(`${JSON.stringify(attack).slice(0, 200)}: ${said}`);
    }
    expect(found).toEqual([]);
  });

  const fields = Object.keys(LINE_FIELDS);
  const alphabets = [
    "a letter and thirty-one marks",
    "backslashes",
    "NULs",
    "what NFC makes longer",
    "lone surrogates",
  ];
  test("is about what English costs for the lines of a batch", async () => {
    const file = (unit: string, index: number) =>
      linesOf(fields[index % fields.length] ?? "", MODEL, unit, FILE_BYTES, 2000);
    const usual = await stage.measureBatch(file(ENGLISH, fields.indexOf("a text")));
    const files = [
      ...alphabets.map((name, index) => file(ALPHABETS[name] ?? "", index)),
      ...Object.values(FILES).map((make) => make(FILE_BYTES)),
    ];
    const found: (string | undefined)[] = [];
    for (const each of files) found.push(unlike(usual, await stage.measureBatch(each)));
    expect(found).toEqual(files.map(() => undefined));
  });

  test("is within the isolate's memory for what is far larger inside", async () => {
    const bomb = gzipSync(Buffer.alloc(150 * MIB));
    const headers = { "content-encoding": "gzip" };
    writeFileSync(`/proc/${stage.edgePid}/clear_refs`, "5");
    const before = peakOf(stage.edgePid, "VmRSS");
    const answers = await Promise.all(
      Array.from({ length: 3 }, () => stage.send({ path: "/v1/embeddings", body: bomb, headers })),
    );
    expect(answers.map(({ status }) => status)).toEqual([413, 413, 413]);
    expect(peakOf(stage.edgePid, "VmHWM") - before).toBeLessThan(60 * MIB);
  });
});

describe.runIf(isLinux)("another caller", () => {
  test("is answered as before while structures of a megabyte come in", async () => {
    const alone = await otherMs(false, Promise.resolve());
    const attack = async () => {
      for (const make of Object.values(STRUCTURES)) await stage.send(make(MODEL, BYTES));
    };
    expect(await otherMs(false, attack())).toBeLessThan(alone + OTHER_MS_MAX);
  });

  test("is answered as before while an upload is inflated that is far larger inside", async () => {
    const alone = await otherMs(false, Promise.resolve());
    const head = '--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n';
    const attack = {
      path: "/v1/files",
      body: gzipSync(Buffer.concat([Buffer.from(head), Buffer.alloc(40 * MIB, "\n")])),
      headers: { "content-type": "multipart/form-data; boundary=b", "content-encoding": "gzip" },
    };
    expect(await otherMs(false, stage.send(attack))).toBeLessThan(alone + OTHER_MS_MAX);
  });

  test("has its share of the model while texts and instructions multiply, six at once", async () => {
    const alone = await otherMs(true, Promise.resolve());
    const attack = async () => {
      const bodies = Object.values(PRODUCTS).map((make) => make(MODEL));
      await Promise.all(bodies.map((body) => stage.send(body)));
    };
    // Its text waits for a slice on each thread, no more.
    expect(await otherMs(true, attack())).toBeLessThan(alone + 2 * OTHER_MS_MAX);
  });

  test("has room for large calls while slow bodies hold what they may", async () => {
    const { hostname, port } = new URL(stage.url);
    const begin = (bytes: number): Socket => {
      const socket = connect({ host: hostname, port: Number(port) });
      socket.on("error", () => undefined);
      socket.write(
        `POST /v1/embeddings HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${stage.key}\r\ncontent-type: application/json\r\ncontent-length: ${bytes + 1}\r\n\r\n`,
      );
      socket.write(Buffer.alloc(bytes, 0x20));
      return socket;
    };
    // Large ones, and small ones for what room they leave.
    const sockets = [
      ...Array.from({ length: 6 }, () => begin(8_000_000)),
      ...Array.from({ length: 60 }, () => begin(250_000)),
    ];
    // One that is refused for want of room may be closed before it has sent all.
    await Promise.all(
      sockets.map((socket) => new Promise((resolve) => socket.once("drain", resolve).once("close", resolve))),
    );
    const statuses = [await stage.largeCall(), await stage.largeCall(), await stage.largeCall()];
    for (const socket of sockets) socket.destroy();
    expect(statuses).toEqual([200, 200, 200]);
  });
});
