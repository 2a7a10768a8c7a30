import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EntryCodec } from "../../../edge/cache/entry.ts";
import type { CacheEntry } from "../../../edge/cache/entry.ts";
import { idFromBytes } from "../../../shared/ids.ts";

const ACCOUNT = idFromBytes("account", new Uint8Array(10).fill(1));
const OTHER = idFromBytes("account", new Uint8Array(10).fill(2));
const NAME = "ab".repeat(32);
const codec = new EntryCodec("secret");
const entry: CacheEntry = {
  accountId: ACCOUNT,
  tokens: 17,
  vector: Uint16Array.from({ length: 16 }, (_, i) => i * 977),
};

describe("an entry", () => {
  it("comes back as it was stored, of any length", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint16Array({ minLength: 1, maxLength: 300 }),
        fc.nat(2 ** 31),
        fc.uint8Array({ minLength: 10, maxLength: 10 }),
        async (vector, tokens, account) => {
          const accountId = idFromBytes("account", account);
          const packed = await codec.pack(NAME, { accountId, tokens, vector });
          expect(await codec.unpack(NAME, accountId, packed)).toEqual({ accountId, tokens, vector });
        },
      ),
      { numRuns: 50 },
    );
  });

  it("is refused with any bit changed, cut short, or grown", async () => {
    const packed = await codec.pack(NAME, entry);
    for (let byte = 0; byte < packed.length; byte += 1) {
      const poisoned = packed.slice();
      poisoned[byte] = (poisoned[byte] ?? 0) ^ (1 << (byte % 8));
      expect(await codec.unpack(NAME, ACCOUNT, poisoned)).toBeUndefined();
    }
    for (const length of [0, 10, 28, packed.length - 1]) {
      expect(await codec.unpack(NAME, ACCOUNT, packed.slice(0, length))).toBeUndefined();
    }
    expect(await codec.unpack(NAME, ACCOUNT, new Uint8Array([...packed, 0]))).toBeUndefined();
  });

  it("is refused for another account, under another name, and from another deployment", async () => {
    const packed = await codec.pack(NAME, entry);
    expect(await codec.unpack(NAME, OTHER, packed)).toBeUndefined();
    expect(await codec.unpack("cd".repeat(32), ACCOUNT, packed)).toBeUndefined();
    expect(await new EntryCodec("other secret").unpack(NAME, ACCOUNT, packed)).toBeUndefined();
  });

  it("cannot be forged by who knows its layout but not the key", async () => {
    const forged = await new EntryCodec("guess").pack(NAME, { ...entry, tokens: 1 });
    expect(await codec.unpack(NAME, ACCOUNT, forged)).toBeUndefined();
  });
});
