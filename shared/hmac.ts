// HMAC-SHA-256 over Web Crypto, the only keyed hash of the project (key tags, key records, cache keys), and comparisons
// whose time tells nothing of a secret.

const encoder = new TextEncoder();

/** Imports `secret` (UTF-8 text) as an HMAC-SHA-256 key that can sign and nothing else. */
export function importHmacKey(secret: string): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", encoder.encode(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
}

/** The 32 bytes of HMAC-SHA-256(key, data). */
export async function hmac(key: CryptoKey, data: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await signHmac(key, data));
}

/** The same as Web Crypto returns it, for many at once: one promise each instead of two. `data` is copied before it returns. */
export function signHmac(key: CryptoKey, data: Uint8Array): Promise<ArrayBuffer> {
  return crypto.subtle.sign("HMAC", key, data);
}

/** Whether two byte strings are equal, in a time that depends only on their lengths. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let index = 0; index < a.length; index += 1) difference |= (a[index] ?? 0) ^ (b[index] ?? 0);
  return difference === 0;
}

/** The 32 bytes of SHA-256 of `text` in UTF-8. */
export async function sha256(text: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(text)));
}

/** Whether two texts are equal, in a time that depends on their lengths alone: their hashes are compared. */
export async function equalTexts(a: string, b: string): Promise<boolean> {
  return equalBytes(await sha256(a), await sha256(b));
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Lower-case hex. */
export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
}
