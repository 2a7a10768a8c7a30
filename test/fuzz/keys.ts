// Fuzzing the parser of API keys: keys of ours with a few characters changed, moved, repeated or dropped.
import * as fc from "fast-check";
import { assert } from "../../shared/assert.ts";
import { importHmacKey } from "../../shared/hmac.ts";
import { idFromBytes } from "../../shared/ids.ts";
import { KEY_PREFIX, formatKey, parseKey } from "../../shared/keys.ts";

const ID_BYTES = 10;
const SECRET_BYTES = 20;
const SECRETS = ["tag secret of the fuzzers, 32 bytes or more", "the tag secret before it, 32 bytes or more"];
const tagKeys = Promise.all(SECRETS.map(importHmacKey));

const LOOKALIKES = ["O", "0", "l", "1", "Ａ", "а", "\u200b", " ", "\n", "\0", "-", "_", "𝟎", ""];
const character = fc.oneof(fc.constantFrom(...LOOKALIKES), fc.string({ minLength: 1, maxLength: 1 }));
const edits = fc.array(
  fc.record({ at: fc.nat(), kind: fc.constantFrom("replace", "insert", "drop", "swap", "repeat"), character }),
  { maxLength: 3 },
);

function edited(text: string, list: readonly { at: number; kind: string; character: string }[]): string {
  return list.reduce((key, { at, kind, character: letter }) => {
    const place = at % (key.length + 1);
    const [head, here, tail] = [key.slice(0, place), key.slice(place, place + 1), key.slice(place + 1)];
    if (kind === "replace") return head + letter + tail;
    if (kind === "insert") return head + letter + here + tail;
    if (kind === "drop") return head + tail;
    if (kind === "swap") return head + tail.slice(0, 1) + here + tail.slice(1);
    return head + here + here + tail;
  }, text);
}

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

/** A key reads back under the secret that tagged it; changed at all, it is no key. */
export const keys = fc.asyncProperty(
  bytes(ID_BYTES),
  bytes(SECRET_BYTES),
  fc.nat(1),
  edits,
  async (id, secret, which, list) => {
    const known = await tagKeys;
    const tagKey = known[which];
    assert(tagKey !== undefined, "one of two secrets");
    const accountId = idFromBytes("account", new Uint8Array(id));
    const text = await formatKey({ accountId, secret: new Uint8Array(secret) }, tagKey);
    const changed = edited(text, list);
    const parsed = await parseKey(changed, known);
    if (changed !== text) return assert(parsed === undefined, "a changed key is no key");
    assert(parsed?.accountId === accountId, "a key names its account");
    return assert(Buffer.from(parsed.secret).equals(Buffer.from(secret)), "a key carries its secret");
  },
);

/** Texts that never were keys, of the right length and alphabet too. */
export const noKeys = fc.asyncProperty(
  fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string({ unit: fc.constantFrom(...Array.from("0123456789ABCXYZabcxyz")), minLength: 52, maxLength: 52 }),
  ),
  async (text) => {
    assert((await parseKey(KEY_PREFIX + text, await tagKeys)) === undefined, "nobody meets a tag by chance");
    assert((await parseKey(text, await tagKeys)) === undefined, "a key begins with its prefix");
  },
);
