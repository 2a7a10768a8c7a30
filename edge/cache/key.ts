// Cache keys: HMAC-SHA-256 over length-prefixed fields, so that nobody outside, and no other account, can name an
// entry, and no two field lists run together. Nothing of the text survives in the key. Source: design.md, Cache.

import { hex, hmac, importHmacKey } from "../../shared/hmac.ts";
import type { AccountId, ModelRevision } from "../../shared/ids.ts";
import type { TokenEncoding } from "../../shared/wire.ts";

const encoder = new TextEncoder();
const KEY_FORMAT_VERSION = "1";

/** What makes two texts the same entry. */
export interface CacheScope {
  readonly accountId: AccountId;
  /** Raised to forget all of an account's entries at once. */
  readonly epoch: number;
  readonly revision: ModelRevision;
  /** `Instruct: …\nQuery:` or empty. */
  readonly prefix: string;
}

export type CacheText =
  | { readonly kind: "text"; readonly text: string }
  /** `encoding`: of another tokenizer, decoded to text by the backend; absent: the model's own ids. */
  | { readonly kind: "ids"; readonly ids: readonly number[]; readonly encoding?: TokenEncoding };

/** Names entries of one scope: 64 hex digits each. */
export class CacheKeys {
  readonly #hmacKey: Promise<CryptoKey>;

  constructor(secret: string) {
    this.#hmacKey = importHmacKey(secret);
  }

  async keyOf(scope: CacheScope, text: CacheText): Promise<string> {
    const fields = [
      encoder.encode(KEY_FORMAT_VERSION),
      encoder.encode(scope.accountId),
      encoder.encode(String(scope.epoch)),
      encoder.encode(scope.revision),
      encoder.encode(text.kind === "ids" ? `ids ${text.encoding ?? ""}`.trim() : text.kind),
      encoder.encode(scope.prefix),
      text.kind === "text" ? encoder.encode(text.text) : idBytes(text.ids),
    ];
    return hex(await hmac(await this.#hmacKey, lengthPrefixed(fields)));
  }
}

function idBytes(ids: readonly number[]): Uint8Array {
  const words = Uint32Array.from(ids);
  return new Uint8Array(words.buffer);
}

function lengthPrefixed(fields: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const total = fields.reduce((sum, field) => sum + 4 + field.length, 0);
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  let offset = 0;
  for (const field of fields) {
    view.setUint32(offset, field.length, true);
    bytes.set(field, offset + 4);
    offset += 4 + field.length;
  }
  return bytes;
}
