// Cache keys: HMAC-SHA-256 over length-prefixed fields, so that nobody outside, and no other account, can name an
// entry, and no two field lists run together. Nothing of the text survives in the key. Rules: docs/contract.md, Cache.

import type { CallText } from "../lib/call-text.ts";
import { joinBytes } from "../lib/collect-bytes.ts";
import { hex, hmac, importHmacKey } from "../../shared/hmac.ts";
import type { AccountId, ModelRevision } from "../../shared/ids.ts";

const encoder = new TextEncoder();
const KEY_FORMAT_VERSION = "1";
/** The default instruction, and most others, are shorter. */
const PREFIX_LENGTH_MAX = 256;

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

  constructor(secret: string) {
    this.#hmacKey = importHmacKey(secret);
  }

  /** The names of `texts`, in their order. */
  async namesOf(scope: CacheScope, texts: readonly CallText[]): Promise<readonly string[]> {
    const hmacKey = await this.#hmacKey;
    const prefix = await shortened(scope.prefix, hmacKey);
    // What texts have in common is most of the fields and encoded once.
    const heads = new Map<string, Uint8Array>();
    return Promise.all(
      texts.map(async (text) => {
        const kind = text.kind === "ids" ? `ids ${text.encoding ?? ""}`.trim() : text.kind;
        const head = heads.get(kind) ?? headOf({ ...scope, prefix }, kind);
        heads.set(kind, head);
        const own = text.kind === "text" ? encoder.encode(text.text) : idBytes(text.ids);
        return hex(await hmac(hmacKey, joinBytes([head, lengthOf(own), own])));
      }),
    );
  }
}

/** A long instruction as its hash: each name is a hash over it, and there may be 2,048 of them. */
async function shortened(prefix: string, hmacKey: CryptoKey): Promise<string> {
  if (prefix.length <= PREFIX_LENGTH_MAX) return prefix;
  return `hmac ${hex(await hmac(hmacKey, encoder.encode(prefix)))}`;
}

function headOf(scope: CacheScope, kind: string): Uint8Array {
  const fields = [KEY_FORMAT_VERSION, scope.accountId, String(scope.epoch), scope.revision, kind, scope.prefix];
  return joinBytes(fields.map((field) => encoder.encode(field)).flatMap((field) => [lengthOf(field), field]));
}

function idBytes(ids: readonly number[]): Uint8Array {
  const words = Uint32Array.from(ids);
  return new Uint8Array(words.buffer);
}

/** A field's prefix: its length, uint32 little-endian. */
function lengthOf(field: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, field.length, true);
  return bytes;
}
