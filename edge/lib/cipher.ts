// Encryption of files and secrets at rest and of cookies: AES-256-GCM. Each thing has its own key, derived by
// HKDF-SHA-256 from a Worker secret and the thing's name (for a file: account and file), so that it opens only with the
// secret and only as itself. A sealed chunk: version (1 byte) ‖ secret's id (4) ‖ nonce (12) ‖ ciphertext and tag (16).
// The chunk's name is associated data, so chunks cannot be swapped. The file's record, which is not in the bucket
// (library.ts), shows if one is missing.

import { equalBytes } from "../../shared/hmac.ts";
import type { AccountId, Id } from "../../shared/ids.ts";

/** Which file of which account a secret is for. */
interface SealedPlace {
  readonly accountId: AccountId;
  readonly fileId: Id<"file">;
}

const VERSION = 1;
const SECRET_ID_BYTES = 4;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + SECRET_ID_BYTES + NONCE_BYTES;
/** Bytes that sealing adds to a chunk. */
export const SEAL_BYTES = HEADER_BYTES + TAG_BYTES;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A chunk that differs from what was written: damaged, cut, moved, or sealed under a secret that is gone. */
export class DamagedFileError extends Error {
  override name = "DamagedFileError";
}

interface Secret {
  readonly id: Uint8Array;
  readonly key: CryptoKey;
}

export interface StorageSecrets {
  readonly STORAGE_SECRET?: string;
  readonly STORAGE_SECRET_PREVIOUS?: string;
  readonly KEY_PEPPER: string;
  readonly KEY_PEPPER_PREVIOUS?: string;
}

export class Cipher {
  readonly #secrets: Promise<readonly Secret[]>;

  /** `secrets`: the first seals; all of them open what was sealed under them. */
  constructor(secrets: readonly string[]) {
    this.#secrets = Promise.all(secrets.map(importSecret));
  }

  /** The seal of one file; derives its key once. */
  file({ accountId, fileId }: SealedPlace): Seal {
    return new Seal(this.#secrets, `gigarouter file 1\0${accountId}\0${fileId}`);
  }

  /** The seal of a secret that is shown once, by the id of the key or webhook that it belongs to. */
  shown(id: string): Seal {
    return new Seal(this.#secrets, `gigarouter shown once 1\0${id}`);
  }

  /** The seal of values for `purpose` in a visitor's cookies. */
  session(purpose: string): Seal {
    return new Seal(this.#secrets, `gigarouter cookie 1\0${purpose}`);
  }

  /** The seal of one webhook's signing secrets. */
  webhook(id: Id<"webhook">): Seal {
    return new Seal(this.#secrets, `gigarouter webhook 1\0${id}`);
  }
}

/**
 * Seals under STORAGE_SECRET, or under KEY_PEPPER in older deployments without it. What was sealed under KEY_PEPPER
 * opens only while that is set, so KEY_PEPPER may change at once only after STORAGE_SECRET was set for as long as files
 * live.
 */
export function cipherOf(env: StorageSecrets): Cipher {
  const { STORAGE_SECRET, STORAGE_SECRET_PREVIOUS, KEY_PEPPER, KEY_PEPPER_PREVIOUS } = env;
  const all = [STORAGE_SECRET, STORAGE_SECRET_PREVIOUS, KEY_PEPPER, KEY_PEPPER_PREVIOUS];
  return new Cipher(all.flatMap((secret) => (secret === undefined || secret === "" ? [] : [secret])));
}

export class Seal {
  readonly #secrets: Promise<readonly Secret[]>;
  readonly #what: string;
  readonly #keys = new Map<Secret, Promise<CryptoKey>>();

  /** `what` must be unique to this seal. */
  constructor(secrets: Promise<readonly Secret[]>, what: string) {
    this.#secrets = secrets;
    this.#what = what;
  }

  async seal(name: string, plain: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    const [secret] = await this.#secrets;
    if (secret === undefined) throw new TypeError("a cipher has a secret");
    const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    const sealed = await crypto.subtle.encrypt(this.#algorithm(name, nonce), await this.#keyOf(secret), plain);
    const bytes = new Uint8Array(HEADER_BYTES + sealed.byteLength);
    bytes[0] = VERSION;
    bytes.set(secret.id, 1);
    bytes.set(nonce, 1 + SECRET_ID_BYTES);
    bytes.set(new Uint8Array(sealed), HEADER_BYTES);
    return bytes;
  }

  /** `seal` for a short text, in base64. */
  async sealText(name: string, text: string): Promise<string> {
    return (await this.seal(name, encoder.encode(text))).toBase64();
  }

  /** The text that `sealText` sealed. Throws DamagedFileError. */
  async openText(name: string, sealed: string): Promise<string> {
    return decoder.decode(await this.open(name, Uint8Array.fromBase64(sealed)));
  }

  /** Whether `sealed` was sealed under the secret that seals now; otherwise it should be sealed again. */
  async isCurrent(sealed: Uint8Array): Promise<boolean> {
    const [secret] = await this.#secrets;
    return secret !== undefined && equalBytes(secret.id, sealed.subarray(1, 1 + SECRET_ID_BYTES));
  }

  /** The plaintext of chunk `name`. Throws DamagedFileError. */
  async open(name: string, sealed: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    if (sealed.length < SEAL_BYTES || sealed[0] !== VERSION) throw new DamagedFileError("not a sealed chunk");
    const id = sealed.subarray(1, 1 + SECRET_ID_BYTES);
    const secret = (await this.#secrets).find((one) => equalBytes(one.id, id));
    if (secret === undefined) throw new DamagedFileError("sealed under a secret that is not configured");
    const nonce = sealed.subarray(1 + SECRET_ID_BYTES, HEADER_BYTES);
    const key = await this.#keyOf(secret);
    try {
      return new Uint8Array(
        await crypto.subtle.decrypt(this.#algorithm(name, nonce), key, sealed.subarray(HEADER_BYTES)),
      );
    } catch {
      throw new DamagedFileError("a chunk is not what was written");
    }
  }

  #algorithm(name: string, iv: Uint8Array) {
    return { name: "AES-GCM", iv, additionalData: encoder.encode(name), tagLength: TAG_BYTES * 8 };
  }

  #keyOf(secret: Secret): Promise<CryptoKey> {
    let key = this.#keys.get(secret);
    if (key === undefined) {
      key = deriveKey(secret.key, this.#what);
      this.#keys.set(secret, key);
    }
    return key;
  }
}

function deriveKey(secret: CryptoKey, what: string): Promise<CryptoKey> {
  const hkdf = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: encoder.encode(what) };
  return crypto.subtle.deriveKey(hkdf, secret, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
}

async function importSecret(text: string): Promise<Secret> {
  const key = await crypto.subtle.importKey("raw", encoder.encode(text), "HKDF", false, ["deriveKey", "deriveBits"]);
  const info = encoder.encode("gigarouter file secret id");
  const hkdf = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info };
  return { key, id: new Uint8Array(await crypto.subtle.deriveBits(hkdf, key, SECRET_ID_BYTES * 8)) };
}
