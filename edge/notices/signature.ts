// Signatures of Standard Webhooks 1.0: HMAC-SHA-256 over `id.timestamp.body` under the bytes of the secret, so that a
// receiver can use an existing library (OpenAI's SDKs verify them too). Source: standardwebhooks.com.

import { hmac } from "../../shared/hmac.ts";

const SECRET_PREFIX = "whsec_";
/** The specification asks for 24 to 64. */
const SECRET_BYTES = 32;
const encoder = new TextEncoder();

/** A new secret as its owner sees it, once: `whsec_` + base64. */
export function newWebhookSecret(): string {
  return SECRET_PREFIX + base64(crypto.getRandomValues(new Uint8Array(SECRET_BYTES)));
}

export interface SignedHeaders {
  readonly "webhook-id": string;
  readonly "webhook-timestamp": string;
  readonly "webhook-signature": string;
}

/**
 * Headers of one attempt. `id` stays the same over the tries of one notice, so that a receiver can drop copies. Each of
 * `secrets` signs; there are two during a rotation.
 */
export async function signedHeaders(
  secrets: readonly string[],
  id: string,
  nowMs: number,
  body: string,
): Promise<SignedHeaders> {
  const timestamp = String(Math.floor(nowMs / 1000));
  const signed = encoder.encode(`${id}.${timestamp}.${body}`);
  const signatures = await Promise.all(secrets.map((secret) => signatureOf(secret, signed)));
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures.join(" ") };
}

async function signatureOf(secret: string, signed: Uint8Array): Promise<string> {
  const key = await crypto.subtle.importKey(
    "raw",
    Uint8Array.from(atob(secret.slice(SECRET_PREFIX.length)), (unit) => unit.codePointAt(0) ?? 0),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["sign"],
  );
  return `v1,${base64(await hmac(key, signed))}`;
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
