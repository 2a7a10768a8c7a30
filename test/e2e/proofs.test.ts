// The program of docs/bill.md on the real service's proofs, offline: they hold, and do not once anything in them was
// changed.

import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DataFolder } from "../../scripts/dev-server/data-folder.ts";
import { ROOT } from "../../scripts/dev-server/options.ts";
import { call, removeFolder, temporaryFolder } from "../support/dev-server.ts";
import { FAKE_MODEL, askOperator, startEdgeBefore } from "../support/edge-server.ts";
import { FakeBackendServer } from "../support/fake-backend-server.ts";

const LINES_MAX = 60;
const PROOF_BYTES_MAX = 2048;
const HOUR_MS = 3_600_000;
const KEYS = 5;

const folder = temporaryFolder();
const program = join(folder, "verify.mjs");
const backend = new FakeBackendServer({ model: FAKE_MODEL, secret: new DataFolder(folder).secrets().BACKEND_SECRET });

interface Proof {
  readonly leaf: string;
  readonly index: number;
  readonly path: readonly string[];
  readonly entry: string;
  readonly signature: string;
}
interface Roots {
  readonly data: readonly { readonly entry: string }[];
}
/** What the service said, two hours after the second hour of the account's life. */
let keys: object;
let proofs: readonly Proof[];
let roots: readonly Roots[];

/** So much later it is twenty past the next hour: no hour ends in a test. */
const TWENTY_PAST_MS = HOUR_MS - (Date.now() % HOUR_MS) + HOUR_MS / 3;

/** Runs `work` with the service, whose account objects live so much later. */
async function served(laterMs: number, work: (edge: Awaited<ReturnType<typeof startEdgeBefore>>) => Promise<void>) {
  const settings = { LATER_MS: String(laterMs) };
  const edge = await startEdgeBefore(
    folder,
    FAKE_MODEL,
    [backend.origin],
    settings,
    "test/edge/support/later-worker.ts",
  );
  try {
    await work(edge);
  } finally {
    await edge.edge.stop();
  }
}

async function read<Body>(url: string, key: string, path: string): Promise<Body> {
  const { status, body } = await call(url, key, path);
  expect([path, status]).toEqual([path, 200]);
  return body as Body;
}

beforeAll(async () => {
  const page = readFileSync(join(ROOT, "docs/bill.md"), "utf8");
  const code = /^```js\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? "";
  expect(code.split("\n").length - 1).toBeLessThanOrEqual(LINES_MAX);
  writeFileSync(program, code);
  await backend.start();
  await served(TWENTY_PAST_MS, async ({ url, adminKey, accountId }) => {
    for (let made = 0; made < KEYS; made += 1) {
      const { key } = await askOperator(url, adminKey, "POST", `/admin/accounts/${accountId}/keys`, {});
      await call(url, String(key), "/v1/embeddings", { model: FAKE_MODEL, input: "some text" });
      // What the isolate has charged is reported before the books are read.
      await call(url, String(key), "/v1/account");
    }
  });
  await served(TWENTY_PAST_MS + 2 * HOUR_MS, async ({ url, apiKey }) => {
    await call(url, apiKey, "/v1/embeddings", { model: FAKE_MODEL, input: "later" });
    await call(url, apiKey, "/v1/account");
  });
  await served(TWENTY_PAST_MS + 4 * HOUR_MS, async ({ url, apiKey }) => {
    keys = await read(url, apiKey, "/.well-known/jwks.json");
    const { data } = await read<{ data: { id: string }[] }>(url, apiKey, "/v1/transactions");
    expect(data.map(({ id }) => id)).toEqual(["txn_7", "txn_6", "txn_5", "txn_4", "txn_3", "txn_2", "txn_1"]);
    proofs = await Promise.all(data.map(({ id }) => read<Proof>(url, apiKey, `/v1/transactions/${id}/proof`)));
    const newest = await read<Roots & { next_page: string }>(url, apiKey, "/v1/transactions/roots?limit=1");
    const older = await read<Roots>(url, apiKey, `/v1/transactions/roots?limit=1&page=${newest.next_page}`);
    roots = [newest, older];
  });
}, 120_000);
afterAll(async () => {
  await backend.stop();
  removeFolder(folder);
});

let files = 0;
/** Runs the program on these documents. */
function verify(...documents: readonly object[]): Promise<{ code: number; said: string }> {
  const paths = documents.map((document) => {
    files += 1;
    const path = join(folder, `${files}.json`);
    writeFileSync(path, JSON.stringify(document));
    return path;
  });
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...paths], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), said: stdout + stderr }),
    );
  });
}

/** The proof of the line with this id. */
function proofOf(id: string): Proof {
  const found = proofs.find(({ leaf }) => leaf.startsWith(`{"id":"${id}",`));
  if (found === undefined) throw new Error(id);
  return found;
}

test("every line is proved offline, by at most 2 KB, in a chain of its account's hours", async () => {
  for (const proof of proofs) {
    expect(JSON.stringify(proof).length).toBeLessThanOrEqual(PROOF_BYTES_MAX);
    const { code, said } = await verify(keys, proof, ...roots);
    expect([code, said]).toEqual([0, expect.stringContaining(`\n${proof.leaf}\n`)]);
  }
  expect((await verify(keys, proofOf("txn_3"))).code).toBe(0);
  expect(proofOf("txn_7").entry).not.toBe(proofOf("txn_6").entry);
});

describe("is caught", () => {
  const lie = (id: string, change: (proof: Proof) => Partial<Proof>) => [
    keys,
    { ...proofOf(id), ...change(proofOf(id)) },
  ];
  const swapped = (text: string): string => (text.startsWith("A") ? "B" : "A") + text.slice(1);
  const CASES: readonly (readonly [string, () => readonly object[], string])[] = [
    [
      "another amount",
      () => lie("txn_3", ({ leaf }) => ({ leaf: leaf.replace('nano_usd":-', 'nano_usd":-1') })),
      "the root follows",
    ],
    ["a space in the line", () => lie("txn_3", ({ leaf }) => ({ leaf: `${leaf} ` })), "the root follows"],
    ["another line's proof", () => lie("txn_3", () => ({ leaf: proofOf("txn_4").leaf })), "the root follows"],
    ["another place", () => lie("txn_3", ({ index }) => ({ index: index + 1 })), "the root follows"],
    ["a place outside", () => lie("txn_3", () => ({ index: 6 })), "one of its hour's"],
    ["a path cut short", () => lie("txn_3", ({ path }) => ({ path: path.slice(0, -1) })), "as long as the tree"],
    ["a longer path", () => lie("txn_3", ({ path }) => ({ path: [...path, ...path] })), "no longer than the tree"],
    [
      "another hash in the path",
      () =>
        lie("txn_3", ({ path: [first = "", ...rest] }) => ({
          path: [first.replace(/^./, (digit) => (digit === "0" ? "1" : "0")), ...rest],
        })),
      "the root follows",
    ],
    [
      "another count of lines",
      () => lie("txn_3", ({ entry }) => ({ entry: entry.replace('"lines":6', '"lines":7') })),
      "the signature",
    ],
    ["another signature", () => lie("txn_3", ({ signature }) => ({ signature: swapped(signature) })), "the signature"],
    [
      "the other hour's entry",
      () => lie("txn_3", () => ({ entry: proofOf("txn_7").entry, signature: proofOf("txn_7").signature })),
      "DOES NOT HOLD",
    ],
    ["a key that is not published", () => [{ keys: [] }, proofOf("txn_3")], "under a published key"],
    ["an hour taken out of the chain", () => [keys, proofOf("txn_7"), ...roots.slice(0, 1)], "entry 0 follows"],
    [
      "an hour that the chain does not have",
      () => [keys, proofOf("txn_7"), ...roots.slice(1)],
      "the hour stands in the chain",
    ],
    ["hours in another order", () => [keys, proofOf("txn_7"), ...roots.toReversed()], "entry 0 follows"],
  ];

  test.each(CASES)("%s", async (_what, documents, words) => {
    const { code, said } = await verify(...documents());
    expect([code, said]).toEqual([1, expect.stringContaining("DOES NOT HOLD: ")]);
    expect(said).toContain(words);
  });
});
