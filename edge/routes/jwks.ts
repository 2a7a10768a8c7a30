// GET /.well-known/jwks.json: the public keys under which this deployment signs and has signed (edge/signing/).

import * as z from "zod";
import type { Context } from "../context.ts";
import type { PublicKey } from "../signing/signing-key.ts";
import { publicKeyOf } from "../signing/signing-key.ts";
import type { Route } from "./route.ts";

const EXAMPLE: PublicKey = {
  kty: "OKP",
  crv: "Ed25519",
  x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
  kid: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
  use: "sig",
  alg: "EdDSA",
};

export const JWKS: Route = {
  method: "get",
  path: "/.well-known/jwks.json",
  id: "signing_keys",
  tag: "Service",
  summary: "The public keys of our signatures",
  description:
    "A JSON Web Key Set (RFC 7517) of Ed25519 keys, the one that signs now first. Empty where this deployment signs nothing. A `kid` that you do not know is new: ask again.",
  auth: "none",
  answers: {
    200: {
      description: "The keys.",
      name: "SigningKeys",
      schema: z.object({
        keys: z.array(
          z.object({
            kty: z.literal("OKP"),
            crv: z.literal("Ed25519"),
            x: z.string(),
            kid: z.string().describe("RFC 7638's thumbprint of the key."),
            use: z.literal("sig"),
            alg: z.literal("EdDSA"),
          }),
        ),
      }),
      example: { keys: [EXAMPLE] },
    },
  },
  handler: getJwks,
};

async function getJwks(c: Context): Promise<Response> {
  const { signingKey, config } = c.get("services");
  const own = await signingKey;
  const retired = await Promise.all((config.SIGNING_KEYS_RETIRED ?? []).map(publicKeyOf));
  c.header("cache-control", "public, max-age=300");
  return c.json({ keys: own === undefined ? retired : [own.publicKey, ...retired] });
}
