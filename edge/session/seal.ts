// Seals small values with SESSION_SECRET (lib/cipher.ts), so that a client can neither read nor change them. While the
// secret is rotated, the previous one still opens.

import { toBase64Url } from "../lib/base64-url.ts";
import { Cipher, DamagedFileError } from "../lib/cipher.ts";
import type { Seal } from "../lib/cipher.ts";
import { hmac, importHmacKey } from "../../shared/hmac.ts";

const NAME = "value";
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
  return toBase64Url(await sealOf(purpose, secrets).seal(NAME, encoder.encode(JSON.stringify(value))));
}

/** The value in `text`; undefined for anything that was not sealed here for `purpose`. */
export async function unseal(text: string, purpose: Purpose, secrets: SessionSecrets): Promise<unknown> {
  try {
    const sealed = Uint8Array.fromBase64(text, { alphabet: "base64url" });
    return JSON.parse(decoder.decode(await sealOf(purpose, secrets).open(NAME, sealed)));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof DamagedFileError) return undefined;
    throw error;
  }
}

function sealOf(
  purpose: Purpose,
  { SESSION_SECRET: current, SESSION_SECRET_PREVIOUS: previous }: SessionSecrets,
): Seal {
  return new Cipher(previous === undefined ? [current] : [current, previous]).session(purpose);
}

/** A keyed hash of a person, to recognise without storing: the 32 bytes of HMAC under a key of this purpose. */
export async function personHash(text: string, secrets: SessionSecrets): Promise<Uint8Array<ArrayBuffer>> {
  return hmac(await importHmacKey(`person\n${secrets.SESSION_SECRET}`), encoder.encode(text));
}
