// Cache keys: HMAC-SHA-256 over length-prefixed fields, so that nobody outside, and no other account, can name an
// entry, and no two field lists run together. Nothing of the text survives in the key. Rules: docs/contract.md, Cache.

import type { CallText } from "../lib/call-text.ts";
import { joinBytes } from "../lib/collect-bytes.ts";
import { hmac, importHmacKey } from "../../shared/hmac.ts";
import type { AccountId, ModelRevision } from "../../shared/ids.ts";

const encoder = new TextEncoder();
const KEY_FORMAT_VERSION = "1";
/** The default instruction, and most others, are shorter. */
const PREFIX_LENGTH_MAX = 256;
const LENGTH_BYTES = 4;
/** Of one UTF-16 unit. */
const UTF8_BYTES_MAX = 3;
/** UTF-16 units. A text of more is not worth room for three times its bytes. */
const SHORT_LENGTH_MAX = 4096;
/** A prefix, account, revision and lengths have less. */
const HEAD_BYTES_MAX = 2048;

/** What makes two texts the same entry. */
export interface CacheScope {
  readonly accountId: AccountId;
  /** Raised to forget all of an account's entries at once. */
  readonly epoch: number;
  readonly revision: ModelRevision;
  /** `Instruct: …\nQuery:` or empty. */
  readonly prefix: string;
}

/** Names entries of one scope: 64 hex digits each. */
export class CacheKeys {
  readonly #hmacKey: Promise<CryptoKey>;
  /** Encoded heads of the last scope, by kind of text: an account's calls follow one another. */
  #heads = new Map<string, Uint8Array>();
  #headsOf: CacheScope | undefined;

  constructor(secret: string) {
    this.#hmacKey = importHmacKey(secret);
  }

  /** The names of `texts`, in their order. */
  async namesOf(scope: CacheScope, texts: readonly CallText[]): Promise<readonly string[]> {
    const hmacKey = await this.#hmacKey;
    const prefix = scope.prefix.length > PREFIX_LENGTH_MAX ? await hashed(scope.prefix, hmacKey) : scope.prefix;
    const heads = this.#headsFor({ ...scope, prefix });
    return Promise.all(
      texts.map(async (text) => {
        const kind = text.kind === "ids" ? `ids ${text.encoding ?? ""}`.trim() : text.kind;
        const head = heads.get(kind) ?? headOf({ ...scope, prefix }, kind);
        heads.set(kind, head);
        return (
          await hmac(hmacKey, text.kind === "text" ? withText(head, text.text) : withIds(head, text.ids))
        ).toHex();
      }),
    );
  }

  /** Texts of one scope share most fields: these are encoded once. */
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

/** A long instruction as its hash: each name is a hash over it, and there may be 2,048 of them. */
async function hashed(prefix: string, hmacKey: CryptoKey): Promise<string> {
  return `hmac ${(await hmac(hmacKey, encoder.encode(prefix))).toHex()}`;
}

function headOf(scope: CacheScope, kind: string): Uint8Array {
  const fields = [KEY_FORMAT_VERSION, scope.accountId, String(scope.epoch), scope.revision, kind, scope.prefix];
  return joinBytes(fields.map((field) => encoder.encode(field)).flatMap((field) => [lengthOf(field), field]));
}

/** Of each short text in turn: Web Crypto copies what it signs before it answers. */
const shared = new Uint8Array(HEAD_BYTES_MAX + LENGTH_BYTES + SHORT_LENGTH_MAX * UTF8_BYTES_MAX);

/** The fields of a text's name in one buffer: `head`, and `text` in UTF-8 behind its length. */
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

/** A field's prefix: its length, uint32 little-endian. */
function lengthOf(field: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(LENGTH_BYTES);
  writeLength(bytes, 0, field.length);
  return bytes;
}

function writeLength(target: Uint8Array, offset: number, length: number): void {
  for (let byte = 0; byte < LENGTH_BYTES; byte += 1) target[offset + byte] = (length >>> (8 * byte)) & 0xff;
}
