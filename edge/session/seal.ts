// Seals small values with SESSION_SECRET: AES-256-GCM, so that a client can neither read nor change them. The key is
// derived (HKDF-SHA-256) per purpose. While the secret is rotated, the previous one still opens.

import { importHmacKey } from "../../shared/hmac.ts";

const IV_BYTES = 12;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface SessionSecrets {
  readonly SESSION_SECRET: string;
  readonly SESSION_SECRET_PREVIOUS?: string | undefined;
}

/** What a sealed value is for. A value sealed for one purpose does not open for another. */
export type Purpose = "session" | "sign-in";

/** `value` as JSON, sealed: base64url text. */
export async function seal(value: object, purpose: Purpose, secrets: SessionSecrets): Promise<string> {
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  const key = await encryptionKey(secrets.SESSION_SECRET, purpose);
  const text = encoder.encode(JSON.stringify(value));
  const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, text));
  const bytes = new Uint8Array(IV_BYTES + sealed.length);
  bytes.set(iv);
  bytes.set(sealed, IV_BYTES);
  return toBase64Url(bytes);
}

/** The value in `text`; undefined for anything that was not sealed here for `purpose`. */
export async function unseal(text: string, purpose: Purpose, secrets: SessionSecrets): Promise<unknown> {
  const bytes = fromBase64Url(text);
  if (bytes === undefined || bytes.length <= IV_BYTES) return undefined;
  const data = { iv: bytes.subarray(0, IV_BYTES), sealed: bytes.subarray(IV_BYTES) };
  for (const secret of [secrets.SESSION_SECRET, secrets.SESSION_SECRET_PREVIOUS]) {
    const opened = secret === undefined ? undefined : await decrypt(data, await encryptionKey(secret, purpose));
    if (opened !== undefined) return JSON.parse(decoder.decode(opened));
  }
  return undefined;
}

/** A keyed hash of a person, to recognise without storing: the 32 bytes of HMAC under a key of this purpose. */
export async function personHash(text: string, secrets: SessionSecrets): Promise<Uint8Array<ArrayBuffer>> {
  const key = await importHmacKey(`person\n${secrets.SESSION_SECRET}`);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, encoder.encode(text)));
}

/** Base64 in the URL- and cookie-safe alphabet, without padding. */
export function toBase64Url(bytes: Uint8Array): string {
  return bytes.toBase64().replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function fromBase64Url(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const standard = text.replaceAll("-", "+").replaceAll("_", "/");
    return Uint8Array.fromBase64(standard.padEnd(Math.ceil(standard.length / 4) * 4, "="));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function encryptionKey(secret: string, purpose: Purpose): Promise<CryptoKey> {
  const base = await crypto.subtle.importKey("raw", encoder.encode(secret), "HKDF", false, ["deriveKey"]);
  return crypto.subtle.deriveKey(
    { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: encoder.encode(`gigarouter ${purpose} v1`) },
    base,
    { name: "AES-GCM", length: 256 },
    false,
    ["encrypt", "decrypt"],
  );
}

/** Undefined: not sealed under this key, or changed since. */
async function decrypt(
  { iv, sealed }: { readonly iv: Uint8Array<ArrayBuffer>; readonly sealed: Uint8Array<ArrayBuffer> },
  key: CryptoKey,
): Promise<ArrayBuffer | undefined> {
  try {
    return await crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, sealed);
  } catch (error) {
    if (error instanceof DOMException && error.name === "OperationError") return undefined;
    throw error;
  }
}
