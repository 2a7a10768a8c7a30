// The Ed25519 key as published and as used, held against RFC 8037's example.

import { describe, expect, test } from "vitest";
import { signingKeyOf } from "../../../edge/signing/signing-key.ts";
import { TEST_BINDINGS } from "../../support/test-bindings.ts";
import { Api } from "../support/api.ts";

// RFC 8037, A.2 and A.3, of the private key in A.1, which is the tests'.
const X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const KID = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
/** A public key of before. */
const RETIRED = "A".repeat(43);
const MESSAGE = new TextEncoder().encode("a message");
const api = new Api({ SIGNING_KEYS_RETIRED: RETIRED });

async function keyOf(text: string | undefined) {
  const key = await signingKeyOf(text);
  if (key === undefined) throw new Error("no key");
  return key;
}

describe("GET /.well-known/jwks.json", () => {
  test("has the key that signs, under RFC 7638's thumbprint, then those of before; it may be cached", async () => {
    const { status, headers, body } = await api.call("/.well-known/jwks.json");
    expect(status).toBe(200);
    expect(headers.get("cache-control")).toBe("public, max-age=300");
    const keys = body["keys"] as { readonly x: string; readonly kid: string }[];
    expect(keys[0]).toEqual({ kty: "OKP", crv: "Ed25519", x: X, kid: KID, use: "sig", alg: "EdDSA" });
    expect(keys.map(({ x }) => x)).toEqual([X, RETIRED]);
    expect(new Set(keys.map(({ kid }) => kid)).size).toBe(2);
  });

  test("shows nothing of the private key", async () => {
    const { text } = await api.call("/.well-known/jwks.json");
    expect(text).not.toContain(TEST_BINDINGS.SIGNING_KEY);
    expect(text).not.toContain('"d"');
  });
});

describe("a signature", () => {
  test("is one over purpose, zero byte and message", async () => {
    const key = await keyOf(TEST_BINDINGS.SIGNING_KEY);
    const { kid, signature } = await key.sign("gigarouter canaries 1", MESSAGE);
    expect(kid).toBe(KID);
    const jwk = { kty: "OKP", crv: "Ed25519", x: X };
    const publicKey = await crypto.subtle.importKey("jwk", jwk, "Ed25519", true, ["verify"]);
    const base64 = signature.replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const holds = (text: string) => crypto.subtle.verify("Ed25519", publicKey, bytes, new TextEncoder().encode(text));
    expect(await holds("gigarouter canaries 1\0a message")).toBe(true);
    expect(await holds("a message")).toBe(false);
    expect(await holds("gigarouter canaries 2\0a message")).toBe(false);
    expect(await holds("gigarouter canaries 1\0a messagf")).toBe(false);
  });

  test.each([[undefined], [""], ["short"], [`${"A".repeat(42)}=`], ["A".repeat(44)]])(
    "is not made under %s",
    async (text) => expect(await signingKeyOf(text)).toBeUndefined(),
  );
});
