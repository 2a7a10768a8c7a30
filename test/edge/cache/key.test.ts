// The name of an entry is an HMAC over its fields, each behind its length. What is encoded once and what is written into
// one buffer must not show: a name that changed would forget every entry.

import { expect, it } from "vitest";
import { CacheKeys } from "../../../edge/cache/key.ts";
import type { CacheScope } from "../../../edge/cache/scope.ts";
import type { CallText } from "../../../edge/lib/call-text.ts";
import { hex, hmac, importHmacKey } from "../../../shared/hmac.ts";
import { parseId, parseRevision } from "../../../shared/ids.ts";
import { must } from "../../../shared/assert.ts";

const SECRET = "a secret of the cache";
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const account = (digit: string) => must(parseId("account", `acct_${digit.repeat(14)}`), "an id");
const revision = (digit: string) => must(parseRevision(digit.repeat(16)), "a revision");

async function nameByHand({ accountId, epoch, revision: of, prefix }: CacheScope, kind: string, own: Uint8Array) {
  const fields = [...["1", accountId, String(epoch), of, kind, prefix].map(bytesOf), own];
  const bytes = fields.flatMap((field) => [...new Uint8Array(Uint32Array.of(field.length).buffer), ...field]);
  return hex(await hmac(await importHmacKey(SECRET), Uint8Array.from(bytes)));
}

it("is the same whatever was asked before: short and long texts, ids, other accounts, revisions and prefixes", async () => {
  const keys = new CacheKeys(SECRET);
  const scopes: CacheScope[] = ["", "Instruct: find\nQuery:"].flatMap((prefix) =>
    ["0", "1"].flatMap((digit) => [
      { accountId: account(digit), epoch: 0, revision: revision("a"), prefix },
      { accountId: account("0"), epoch: Number(digit), revision: revision(digit), prefix },
    ]),
  );
  const texts = ["a", "Grüße, 世界 🎉", "x".repeat(4096), "é".repeat(4097)];
  for (const scope of [...scopes, ...scopes]) {
    const asked: CallText[] = texts.map((text) => ({ kind: "text", text }));
    const names = await keys.namesOf(scope, [...asked, { kind: "ids", ids: [1, 70_000] }]);
    const expected = await Promise.all(texts.map((text) => nameByHand(scope, "text", bytesOf(text))));
    const ids = new Uint8Array(Uint32Array.of(1, 70_000).buffer);
    expect(names).toEqual([...expected, await nameByHand(scope, "ids", ids)]);
  }
});
