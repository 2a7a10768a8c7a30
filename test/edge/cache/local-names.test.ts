// Names in an isolate's memory: what they are made of, that no two texts or scopes share one, and that every isolate
// has the same.

import { expect, it } from "vitest";
import { CacheKeys } from "../../../edge/cache/key.ts";
import type { CacheScope } from "../../../edge/cache/scope.ts";
import type { CallText } from "../../../edge/lib/call-text.ts";
import { must } from "../../../shared/assert.ts";
import { hex } from "../../../shared/hmac.ts";
import { parseId, parseRevision } from "../../../shared/ids.ts";

const SECRET = "a secret of the cache";
const PRIME = 4_294_967_291n;
const account = (digit: string) => must(parseId("account", `acct_${digit.repeat(14)}`), "an id");
const revision = (digit: string) => must(parseRevision(digit.repeat(16)), "a revision");
const SCOPE: CacheScope = { accountId: account("0"), epoch: 0, revision: revision("a"), prefix: "" };
const text = (value: string): CallText => ({ kind: "text", text: value });

async function namesOf(texts: readonly CallText[], scope = SCOPE, keys = new CacheKeys(SECRET)) {
  return [...(await keys.localNamesOf(scope, texts))];
}

/** The keys as HKDF gives them. */
async function keysByHand(): Promise<readonly bigint[]> {
  const bytes = (value: string) => new TextEncoder().encode(value);
  const secret = await crypto.subtle.importKey("raw", bytes(SECRET), "HKDF", false, ["deriveBits"]);
  const terms = { name: "HKDF", hash: "SHA-256", salt: bytes(""), info: bytes("names of cache entries in memory") };
  return Array.from(new Uint32Array(await crypto.subtle.deriveBits(terms, secret, 2003 * 32)), BigInt);
}

async function nameByHand(value: string): Promise<string> {
  const keys = await keysByHand();
  const [head = ""] = await new CacheKeys(SECRET).namesOf(SCOPE, [text("")]);
  const lanes = [0, 1, 2].map((lane) => {
    const units = Array.from({ length: value.length }, (_, index) => BigInt(value.charCodeAt(index)));
    const terms = [BigInt(value.length), ...units].map((unit, index) => unit * must(keys[index + lane], "a key"));
    const sum = terms.reduce((all, term) => all + term, BigInt(`0x${head.slice(lane * 8, lane * 8 + 8)}`));
    return Number(sum % PRIME);
  });
  return hex(new Uint8Array(Uint32Array.from(lanes).buffer));
}

it("are the sum that the theory speaks of, exactly, for the longest and largest texts too", async () => {
  const values = ["", "a", "Grüße, 世界 🎉", "\uffff".repeat(2000), "a\0", "x".repeat(31), "\0".repeat(1999)];
  expect(await namesOf(values.map(text))).toEqual(await Promise.all(values.map(nameByHand)));
});

it("differ from text to text, and are the same in every isolate and after other texts", async () => {
  const values = Array.from({ length: 3000 }, (_, index) => [
    `${index}`,
    `${index} `,
    ` ${index}`,
    `${index}\0`,
  ]).flat();
  const texts = values.map(text);
  const names = await namesOf(texts);
  expect(new Set(names).size).toBe(new Set(values).size);
  expect(names.every((name) => /^[0-9a-f]{24}$/.test(name))).toBe(true);
  const other = new CacheKeys(SECRET);
  await namesOf([text("something else")], { ...SCOPE, prefix: "other" }, other);
  const later = other.localNamesOf(SCOPE, texts.toReversed());
  expect([...(await later)].toReversed()).toEqual(names);
});

it("differ from scope to scope, from kind to kind and from secret to secret", async () => {
  const scopes: CacheScope[] = [
    SCOPE,
    { ...SCOPE, accountId: account("1") },
    { ...SCOPE, epoch: 1 },
    { ...SCOPE, revision: revision("b") },
    { ...SCOPE, prefix: "Instruct: find\nQuery:" },
  ];
  const kinds: CallText[] = [
    text("1,2"),
    { kind: "ids", ids: [1, 2] },
    { kind: "ids", ids: [1, 2], encoding: "cl100k_base" },
  ];
  const all = await Promise.all(scopes.map((scope) => namesOf(kinds, scope)));
  expect(new Set(all.flat()).size).toBe(15);
  expect((await namesOf(kinds, SCOPE, new CacheKeys("another secret"))).some((name) => all.flat().includes(name))).toBe(
    false,
  );
});

it("need no promise once the scope is known, and of long texts are the shared tiers' own", async () => {
  const keys = new CacheKeys(SECRET);
  const long: CallText[] = [text("x".repeat(2001)), { kind: "ids", ids: Array.from({ length: 200 }, (_, id) => id) }];
  expect(await namesOf([text("a"), ...long], SCOPE, keys)).toEqual([
    ...(await namesOf([text("a")])),
    ...(await keys.namesOf(SCOPE, long)),
  ]);
  expect(keys.localNamesOf(SCOPE, [text("b")])).toBeInstanceOf(Array);
  expect(keys.localNamesOf({ ...SCOPE, epoch: 2 }, [text("b")])).toBeInstanceOf(Promise);
});
