// Cache keys: HMAC-SHA-256 over length-prefixed fields. Nobody outside and no other account can name an entry, two
// lists of fields never read the same, and the key holds nothing of the text. Rules: docs/contract.md, Cache.

import type { CallText } from "../lib/call-text.ts";
import { joinBytes } from "../lib/collect-bytes.ts";
import { LocalNames } from "./local-names.ts";
import type { CacheScope } from "./scope.ts";
import { hmac, importHmacKey, signHmac } from "../../shared/hmac.ts";

const encoder = new TextEncoder();
const KEY_FORMAT_VERSION = "1";
/** In UTF-16 units: longer prefixes are hashed first. The default instruction and most others are shorter. */
const PREFIX_LENGTH_MAX = 256;
const LENGTH_BYTES = 4;
/** The most bytes of one UTF-16 unit. */
const UTF8_BYTES_MAX = 3;
/** In UTF-16 units. A longer text is not worth reserving three times its length in the shared buffer. */
const SHORT_LENGTH_MAX = 4096;
/** The head of a name (prefix, account, revision, lengths) is shorter than this. */
const HEAD_BYTES_MAX = 2048;

/** Names entries of one scope: 64 hex digits each. */
export class CacheKeys {
  readonly #hmacKey: Promise<CryptoKey>;
  readonly #local: LocalNames;
  /** Encoded heads of the last scope, by kind of text: calls of one account often follow one another. */
  #heads = new Map<string, Uint8Array>();
  #headsOf: CacheScope | undefined;

  constructor(secret: string) {
    this.#hmacKey = importHmacKey(secret);
    this.#local = new LocalNames(secret, (scope, texts) => this.namesOf(scope, texts));
  }

  /** The names of `texts` in an isolate's memory (local-names.ts); without a promise where nothing is waited for. */
  localNamesOf(scope: CacheScope, texts: readonly CallText[]): readonly string[] | Promise<readonly string[]> {
    return this.#local.of(scope, texts);
  }

  /** The names of `texts` in the shared tiers, in their order. */
  async namesOf(scope: CacheScope, texts: readonly CallText[]): Promise<readonly string[]> {
    const hmacKey = await this.#hmacKey;
    const prefix = scope.prefix.length > PREFIX_LENGTH_MAX ? await hashed(scope.prefix, hmacKey) : scope.prefix;
    const heads = this.#headsFor({ ...scope, prefix });
    const signed = texts.map((text) => {
      const kind = text.kind === "ids" ? `ids ${text.encoding ?? ""}`.trim() : text.kind;
      let head = heads.get(kind);
      if (head === undefined) {
        head = headOf({ ...scope, prefix }, kind);
        heads.set(kind, head);
      }
      return signHmac(hmacKey, text.kind === "text" ? withText(head, text.text) : withIds(head, text.ids));
    });
    return (await Promise.all(signed)).map((bytes) => new Uint8Array(bytes).toHex());
  }

  /** The fields before the text are the same for all texts of a scope, so they are encoded once. */
  #headsFor(scope: CacheScope): Map<string, Uint8Array> {
    const last = this.#headsOf;
    const isSame =
      last?.accountId === scope.accountId &&
      last.epoch === scope.epoch &&
      last.revision === scope.revision &&
      last.prefix === scope.prefix;
    if (!isSame) {
      this.#headsOf = scope;
      this.#heads = new Map();
    }
    return this.#heads;
  }
}

/** A long instruction is replaced by its hash: it goes into each name, and a call may have 2,048 of them. */
async function hashed(prefix: string, hmacKey: CryptoKey): Promise<string> {
  return `hmac ${(await hmac(hmacKey, encoder.encode(prefix))).toHex()}`;
}

function headOf(scope: CacheScope, kind: string): Uint8Array {
  const fields = [KEY_FORMAT_VERSION, scope.accountId, String(scope.epoch), scope.revision, kind, scope.prefix];
  return joinBytes(fields.map((field) => encoder.encode(field)).flatMap((field) => [lengthOf(field), field]));
}

/** Used by one short text after another: Web Crypto copies what it signs before it returns. */
const shared = new Uint8Array(HEAD_BYTES_MAX + LENGTH_BYTES + SHORT_LENGTH_MAX * UTF8_BYTES_MAX);

/** A name's fields in one buffer: `head`, then the length of `text` in UTF-8 and `text` itself. */
function withText(head: Uint8Array, text: string): Uint8Array {
  if (text.length > SHORT_LENGTH_MAX || head.length > HEAD_BYTES_MAX) return joined(head, encoder.encode(text));
  const start = head.length + LENGTH_BYTES;
  shared.set(head);
  const { written } = encoder.encodeInto(text, shared.subarray(start));
  writeLength(shared, head.length, written);
  return shared.subarray(0, start + written);
}

function withIds(head: Uint8Array, ids: readonly number[]): Uint8Array {
  return joined(head, new Uint8Array(Uint32Array.from(ids).buffer));
}

function joined(head: Uint8Array, own: Uint8Array): Uint8Array {
  return joinBytes([head, lengthOf(own), own]);
}

/** The length of a field, uint32 little-endian; it precedes the field. */
function lengthOf(field: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(LENGTH_BYTES);
  writeLength(bytes, 0, field.length);
  return bytes;
}

function writeLength(target: Uint8Array, offset: number, length: number): void {
  for (let byte = 0; byte < LENGTH_BYTES; byte += 1) target[offset + byte] = (length >>> (8 * byte)) & 0xff;
}
