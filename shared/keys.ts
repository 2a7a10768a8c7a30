// API keys: `gr-` + base62(account id 10 bytes ‖ secret 20 bytes ‖ tag 8 bytes), 55 characters in all. The key names
// its account, so no directory look-up is needed. The tag is HMAC(KEY_TAG_SECRET, the rest), so that a mistyped or
// forged key wakes no object. Only a keyed hash of the secret is ever stored. Rules: docs/contract.md, Keys.

import { decodeBase62, encodeBase62 } from "./base62.ts";
import { equalBytes, hmac } from "./hmac.ts";
import { ID_BYTES, bytesOfId, idFromBytes } from "./ids.ts";
import type { AccountId } from "./ids.ts";

export const KEY_PREFIX = "gr-";
const SECRET_BYTES = 20;
const TAG_BYTES = 8;
const KEY_BYTES = ID_BYTES + SECRET_BYTES + TAG_BYTES;
/** Characters of `gr-…` that may be shown to distinguish keys: a part of the account's id, nothing of the secret. */
const SHOWN_PREFIX_LENGTH = 9;
const SHOWN_SUFFIX_LENGTH = 4;

/** A key whose tag is valid: we issued it, but it may be revoked. */
export interface ParsedKey {
  readonly accountId: AccountId;
  /** 20 bytes. */
  readonly secret: Uint8Array;
}

/** A new key for `accountId`; shown once, never stored. */
export async function createKey(accountId: AccountId, tagKey: CryptoKey): Promise<{ text: string; parsed: ParsedKey }> {
  const secret = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  return { text: await formatKey({ accountId, secret }, tagKey), parsed: { accountId, secret } };
}

/** The text of a key. */
export async function formatKey(key: ParsedKey, tagKey: CryptoKey): Promise<string> {
  const bytes = new Uint8Array(KEY_BYTES);
  bytes.set(bytesOfId(key.accountId), 0);
  bytes.set(key.secret, ID_BYTES);
  bytes.set(await keyTag(bytes, tagKey), ID_BYTES + SECRET_BYTES);
  return KEY_PREFIX + encodeBase62(bytes);
}

/**
 * Parses `text` and verifies its tag under `tagKeys` (the current one, then the previous); undefined: none signed it.
 */
export async function parseKey(text: string, tagKeys: readonly CryptoKey[]): Promise<ParsedKey | undefined> {
  if (!text.startsWith(KEY_PREFIX)) return undefined;
  const bytes = decodeBase62(text.slice(KEY_PREFIX.length), KEY_BYTES);
  if (bytes === undefined) return undefined;
  const tag = bytes.subarray(ID_BYTES + SECRET_BYTES);
  for (const tagKey of tagKeys) {
    if (equalBytes(await keyTag(bytes, tagKey), tag)) {
      return {
        accountId: idFromBytes("account", bytes.subarray(0, ID_BYTES)),
        secret: bytes.slice(ID_BYTES, ID_BYTES + SECRET_BYTES),
      };
    }
  }
  return undefined;
}

/** The part of a key that lists show: `gr-Ab3dE6…x9Zk`. The last characters hold only bits of the tag. */
export function shownPrefix(text: string): string {
  return `${text.slice(0, SHOWN_PREFIX_LENGTH)}…${text.slice(-SHOWN_SUFFIX_LENGTH)}`;
}

async function keyTag(bytes: Uint8Array, tagKey: CryptoKey): Promise<Uint8Array> {
  return (await hmac(tagKey, bytes.slice(0, ID_BYTES + SECRET_BYTES))).slice(0, TAG_BYTES);
}
