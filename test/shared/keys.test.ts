import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeBase62, encodeBase62 } from "../../shared/base62.ts";
import { importHmacKey } from "../../shared/hmac.ts";
import { newId, parseId, parseRevision } from "../../shared/ids.ts";
import { createKey, formatKey, parseKey, shownPrefix } from "../../shared/keys.ts";

const CURRENT = "tag secret of the tests, 32 bytes or more";
const PREVIOUS = "the tag secret before it, 32 bytes or more";

describe("API keys", () => {
  test("a key names its account and reads back", async () => {
    const tagKey = await importHmacKey(CURRENT);
    const accountId = newId("account");
    const { text, parsed } = await createKey(accountId, tagKey);
    expect(text).toMatch(/^gr-[0-9A-Za-z]{52}$/);
    expect(await parseKey(text, [tagKey])).toEqual(parsed);
    expect(parsed.accountId).toBe(accountId);
  });

  test("a key tagged with the previous secret is good while both are in force, and not afterwards", async () => {
    const [current, previous] = [await importHmacKey(CURRENT), await importHmacKey(PREVIOUS)];
    const { text } = await createKey(newId("account"), previous);
    expect(await parseKey(text, [current, previous])).toBeDefined();
    expect(await parseKey(text, [current])).toBeUndefined();
  });

  test("any single changed character is refused", async () => {
    const tagKey = await importHmacKey(CURRENT);
    const { text } = await createKey(newId("account"), tagKey);
    for (let position = 3; position < text.length; position += 1) {
      const other = text[position] === "a" ? "b" : "a";
      expect(await parseKey(text.slice(0, position) + other + text.slice(position + 1), [tagKey])).toBeUndefined();
    }
  });

  test("anything else is no key, and does not throw", async () => {
    const tagKey = await importHmacKey(CURRENT);
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `gr-${text}`),
        ),
        async (text) => {
          expect(await parseKey(text, [tagKey])).toBeUndefined();
        },
      ),
    );
  });

  test("what is shown of a key holds nothing of its secret", async () => {
    const tagKey = await importHmacKey(CURRENT);
    const accountId = newId("account");
    const a = await formatKey({ accountId, secret: new Uint8Array(20).fill(1) }, tagKey);
    const b = await formatKey({ accountId, secret: new Uint8Array(20).fill(2) }, tagKey);
    expect(shownPrefix(a).slice(0, 9)).toBe(shownPrefix(b).slice(0, 9));
    expect(shownPrefix(a)).toHaveLength(14);
  });
});

describe("ids", () => {
  test("an id is of its kind and of no other", () => {
    const id = newId("account");
    expect(parseId("account", id)).toBe(id);
    expect(parseId("key", id)).toBeUndefined();
    expect(parseId("account", `${id}x`)).toBeUndefined();
    expect(parseId("account", "acct_!!!!!!!!!!!!!!")).toBeUndefined();
  });

  test("base62 of a fixed length reads back", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 40 }), (bytes) => {
        expect(decodeBase62(encodeBase62(bytes), bytes.length)).toEqual(new Uint8Array(bytes));
      }),
    );
  });

  test("base62 beyond its bytes is refused", () => {
    expect(decodeBase62("zz", 1)).toBeUndefined();
    expect(decodeBase62("zzz", 1)).toBeUndefined();
  });

  test("a revision is 16 to 64 lower-case hex digits", () => {
    expect(parseRevision("0123456789abcdef")).toBe("0123456789abcdef");
    expect(parseRevision("0123456789ABCDEF")).toBeUndefined();
    expect(parseRevision("0123")).toBeUndefined();
  });
});
