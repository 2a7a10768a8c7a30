// Ed25519 signatures (RFC 8032) over what a customer may keep and check later without asking us. A signature is over the
// bytes of its purpose, a zero byte, then the message, so that nothing that was signed for one purpose passes for
// another. The public keys are at GET /.well-known/jwks.json, those of before too: a signature outlives its key.

import { toBase64Url } from "../lib/base64-url.ts";
import { assert } from "../../shared/assert.ts";
import { sha256 } from "../../shared/hmac.ts";

/** What a signature is for; the number is the version of what the message holds. */
export type SigningPurpose = "gigarouter canaries 1" | "gigarouter statement 1";

/** A public key as JSON Web Key (RFC 8037). `kid`: its thumbprint (RFC 7638). */
export interface PublicKey {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  readonly x: string;
  readonly kid: string;
  readonly use: "sig";
  readonly alg: "EdDSA";
}

export interface Signature {
  readonly kid: string;
  /** The 64 bytes in base64url. */
  readonly signature: string;
}

/** 32 bytes in base64url: a private key, or the `x` of a public one. */
const KEY_TEXT = /^[\w-]{43}$/;
/** What stands before the 32 bytes of a private key in PKCS #8, the form that Web Crypto reads. Source: RFC 8410, 10.3. */
const PKCS8_HEAD = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
const encoder = new TextEncoder();

export function isKeyText(text: string): boolean {
  return KEY_TEXT.test(text);
}

/** The public key whose `x` is given. */
export async function publicKeyOf(x: string): Promise<PublicKey> {
  // RFC 7638: the required members in this order, without spaces.
  const kid = toBase64Url(await sha256(JSON.stringify({ crv: "Ed25519", kty: "OKP", x })));
  return { kty: "OKP", crv: "Ed25519", x, kid, use: "sig", alg: "EdDSA" };
}

/** The key of SIGNING_KEY, as an object has it in its `env`; undefined: it is not set, or not a key. */
export async function signingKeyOf(text: string | undefined): Promise<SigningKey | undefined> {
  if (text === undefined || !isKeyText(text)) return undefined;
  const pkcs8 = new Uint8Array([...PKCS8_HEAD, ...Uint8Array.fromBase64(text, { alphabet: "base64url" })]);
  const key = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", true, ["sign"]);
  const exported = await crypto.subtle.exportKey("jwk", key);
  assert(!(exported instanceof ArrayBuffer) && exported.x !== undefined, "a JSON Web Key of Ed25519 has x");
  return new SigningKey(key, await publicKeyOf(exported.x));
}

export class SigningKey {
  readonly publicKey: PublicKey;
  readonly #key: CryptoKey;

  constructor(key: CryptoKey, publicKey: PublicKey) {
    this.#key = key;
    this.publicKey = publicKey;
  }

  async sign(purpose: SigningPurpose, message: Uint8Array): Promise<Signature> {
    const head = encoder.encode(`${purpose}\0`);
    const signed = new Uint8Array(head.length + message.length);
    signed.set(head);
    signed.set(message, head.length);
    const signature = await crypto.subtle.sign("Ed25519", this.#key, signed);
    return { kid: this.publicKey.kid, signature: toBase64Url(new Uint8Array(signature)) };
  }
}
