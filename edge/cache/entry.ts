// A cache entry: one text's canonical vector, its token count and its account. The packed form carries a keyed tag over
// the entry's name and content. So what a shared tier returns is either what this deployment stored under exactly that
// name for exactly that account, or it is refused (poisoned, foreign, moved, damaged).
//
//   offset  bytes  what (little-endian)
//   0       4      "GRC1"
//   4       4      tokens
//   8       2      dimensions D
//   10      2      length A of the account id
//   12      16     first 16 bytes of HMAC-SHA-256(cache key, name ‖ the entry with zeros here)
//   28      A      account id, ASCII
//   28+A    pad    zeros up to an even offset
//   …       2·D    float16 bits

import { equalBytes, hmac, importHmacKey } from "../../shared/hmac.ts";
import type { AccountId } from "../../shared/ids.ts";

const MAGIC = 0x31435247; // "GRC1"
const HEADER_BYTES = 28;
const TAG_OFFSET = 12;
const TAG_BYTES = 16;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface CacheEntry {
  readonly accountId: AccountId;
  /** Token ids that the model read, prefix and ending token included. */
  readonly tokens: number;
  /** Canonical vector: float16 bits [native dimensions]. */
  readonly vector: Uint16Array;
}

/** Packs and unpacks entries. `name` is the entry's cache key. */
export class EntryCodec {
  readonly #key: Promise<CryptoKey>;

  constructor(secret: string) {
    // Not the key that names entries: a tag must never be a name.
    this.#key = importHmacKey(`entry-tag:${secret}`);
  }

  async pack(name: string, entry: CacheEntry): Promise<Uint8Array<ArrayBuffer>> {
    const account = encoder.encode(entry.accountId);
    const start = vectorOffset(account.length);
    const bytes = new Uint8Array(start + entry.vector.byteLength);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, MAGIC, true);
    view.setUint32(4, entry.tokens, true);
    view.setUint16(8, entry.vector.length, true);
    view.setUint16(10, account.length, true);
    bytes.set(account, HEADER_BYTES);
    bytes.set(new Uint8Array(entry.vector.buffer, entry.vector.byteOffset, entry.vector.byteLength), start);
    bytes.set(await this.#tag(name, bytes), TAG_OFFSET);
    return bytes;
  }

  /** The entry in `bytes`; undefined where they are not what was stored under `name` for `accountId`. */
  async unpack(name: string, accountId: AccountId, bytes: Uint8Array<ArrayBuffer>): Promise<CacheEntry | undefined> {
    if (bytes.length < HEADER_BYTES) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (view.getUint32(0, true) !== MAGIC) return undefined;
    const dimensions = view.getUint16(8, true);
    const accountBytes = view.getUint16(10, true);
    const start = vectorOffset(accountBytes);
    if (dimensions === 0 || bytes.length !== start + 2 * dimensions) return undefined;
    if (decoder.decode(bytes.subarray(HEADER_BYTES, HEADER_BYTES + accountBytes)) !== accountId) return undefined;
    const stored = bytes.slice(TAG_OFFSET, TAG_OFFSET + TAG_BYTES);
    const bare = bytes.slice();
    bare.fill(0, TAG_OFFSET, TAG_OFFSET + TAG_BYTES);
    if (!equalBytes(stored, await this.#tag(name, bare))) return undefined;
    return { accountId, tokens: view.getUint32(4, true), vector: new Uint16Array(bare.buffer, start, dimensions) };
  }

  async #tag(name: string, bare: Uint8Array): Promise<Uint8Array> {
    const nameBytes = encoder.encode(name);
    const signed = new Uint8Array(nameBytes.length + bare.length);
    signed.set(nameBytes);
    signed.set(bare, nameBytes.length);
    return (await hmac(await this.#key, signed)).subarray(0, TAG_BYTES);
  }
}

function vectorOffset(accountBytes: number): number {
  const end = HEADER_BYTES + accountBytes;
  return end + (end % 2);
}
