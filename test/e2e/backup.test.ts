// A backup of a running deployment into a file, and from there into an empty one under the same secrets: balances, keys,
// usage, transactions and Idempotency-Keys are what they were, and a call goes on.

import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BackupContext } from "../../scripts/backup/main.ts";
import { backup, restore } from "../../scripts/backup/main.ts";
import { call, removeFolder, temporaryFolder } from "../support/dev-server.ts";
import type { EdgeUnderTest } from "../support/edge-server.ts";
import { FAKE_MODEL, startEdgeBefore, startEdgeUnderTest } from "../support/edge-server.ts";

const folder = temporaryFolder();
const [oldDir, newDir] = [join(folder, "old"), join(folder, "new")];
const file = join(folder, "books.ndjson.gz");
const said: string[] = [];
const ONCE = { "idempotency-key": "once" };
const BODY = { model: FAKE_MODEL, input: "charged once" };
let source: EdgeUnderTest;
let target: Awaited<ReturnType<typeof startEdgeBefore>>;
let context: BackupContext;

/** All that a customer and the operator can read of the books. */
async function books(url: string, key: string, accountId: string, adminKey: string): Promise<object[]> {
  const paths = ["/v1/account", "/v1/keys", "/v1/transactions", "/v1/usage?bucket_width=1d&group_by=key,model"];
  const own = await Promise.all(paths.map(async (path) => (await call(url, key, path)).body));
  // Keys are listed as memory has them, which begins anew with the object.
  const keys = own[1]?.["data"];
  if (Array.isArray(keys)) keys.sort((a: { id: string }, b: { id: string }) => a.id.localeCompare(b.id));
  const operator = await call(url, adminKey, `/admin/accounts/${accountId}`);
  return [...own, operator.body].map((body) =>
    JSON.parse(JSON.stringify(body, (name, value: unknown) => (VOLATILE.has(name) ? undefined : value))),
  );
}
/** What a reader's own call changes, or the moment of reading. */
const VOLATILE = new Set([
  "last_used_at",
  "fresh_as_of",
  "held_nano_usd",
  "held_usd",
  "spendable_usd",
  "spendable_nano_usd",
]);

beforeAll(async () => {
  source = await startEdgeUnderTest(oldDir, 1);
  mkdirSync(newDir);
  copyFileSync(join(oldDir, "secrets.json"), join(newDir, "secrets.json"));
  target = await startEdgeBefore(newDir, FAKE_MODEL, [source.backends[0]?.origin ?? ""]);
  context = {
    say: (line) => void said.push(line),
    environment: { ADMIN_KEY: source.adminKey },
    sleep: () => Promise.resolve(),
    run: () => ({ status: 1, stdout: "", stderr: "no network" }),
  };
});
afterAll(async () => {
  await target.edge.stop();
  await source.stop();
  removeFolder(folder);
});

describe("a backup", () => {
  test("restored into an empty deployment gives every account back as it was", async () => {
    const { url, apiKey, adminKey, accountId } = source;
    const made = await call(url, apiKey, "/v1/keys", { name: "second", scopes: ["embeddings"] });
    const first = await call(url, apiKey, "/v1/embeddings", BODY, ONCE);
    for (const input of ["a", "b"]) {
      expect((await call(url, String(made.body["key"]), "/v1/embeddings", { model: FAKE_MODEL, input })).status).toBe(
        200,
      );
    }
    const other = await source.newAccount();
    expect((await call(url, other.apiKey, "/v1/embeddings", { model: FAKE_MODEL, input: "c" })).status).toBe(200);
    const before = await books(url, apiKey, accountId, adminKey);
    const otherBefore = await books(url, other.apiKey, other.accountId, adminKey);

    expect(await backup(["--url", url, "--out", file], context)).toBe(0);
    expect(said.at(-1)).toBe(`2 accounts are in ${file}`);
    expect(statSync(file).mode & 0o077).toBe(0);
    expect(await restore(["--url", target.url, "--in", file], context)).toBe(0);
    expect(said.at(-1)).toBe("2 accounts restored, 0 were there and stayed as they are");

    expect(await books(target.url, apiKey, accountId, adminKey)).toEqual(before);
    expect(await books(target.url, other.apiKey, other.accountId, adminKey)).toEqual(otherBefore);
    const again = await call(target.url, apiKey, "/v1/embeddings", BODY, ONCE);
    expect(again.headers.get("x-idempotent-replayed")).toBe("true");
    expect(again.body).toEqual(first.body);
    expect(await books(target.url, apiKey, accountId, adminKey)).toEqual(before);
    const fresh = await call(target.url, String(made.body["key"]), "/v1/embeddings", {
      model: FAKE_MODEL,
      input: "new",
    });
    expect(fresh.status).toBe(200);
  });

  test("restored again changes nothing", async () => {
    const { apiKey, adminKey, accountId } = source;
    const before = await books(target.url, apiKey, accountId, adminKey);
    expect(await restore(["--url", target.url, "--in", file], context)).toBe(0);
    expect(said.at(-1)).toBe("0 accounts restored, 2 were there and stayed as they are");
    expect(await books(target.url, apiKey, accountId, adminKey)).toEqual(before);
  });

  test("holds no key and no secret, as it is and unzipped", () => {
    const text = gunzipSync(readFileSync(file)).toString();
    for (const secret of [source.apiKey, source.adminKey]) expect(text).not.toContain(secret);
  });

  test("that is cut off, altered, or asked for with another key is refused in a sentence", async () => {
    const lines = gunzipSync(readFileSync(file)).toString().trimEnd().split("\n");
    const short = join(folder, "short.ndjson");
    writeFileSync(short, `${lines.slice(0, -1).join("\n")}\n`);
    expect(await restore(["--url", target.url, "--in", short], context)).toBe(1);
    expect(said.at(-1)).toContain("is not whole");
    const sly = { kind: "account", id: "acct_0000000000000000", dump: { tables: [] } };
    writeFileSync(short, `${JSON.stringify(sly)}\n`);
    expect(await restore(["--url", target.url, "--in", short], context)).toBe(1);
    expect(said.at(-1)).toContain("answers 400");
    const wrong = { ...context, environment: { ADMIN_KEY: "x".repeat(32) } };
    expect(await backup(["--url", source.url, "--out", join(folder, "none")], wrong)).toBe(1);
    expect(said.at(-1)).toContain("answers 401");
    expect(await backup(["--url", source.url, "--out", file, "--r2", "bucket"], context)).toBe(1);
    expect(said.at(-1)).toContain("Storing it in R2 failed");
  });
});
