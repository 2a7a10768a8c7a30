// GET /v1/transactions/roots and /v1/transactions/{id}/proof: each hour of the statement is a Merkle tree, its root stands
// in a chain of signed entries, and each line can be proved against it offline (docs/bill.md, Proofs).

import * as z from "zod";
import { accountStub } from "../../account/account-stub.ts";
import type { ProofOutcome, SealsPage } from "../../account/proofs.ts";
import type { Context } from "../../context.ts";
import { acted } from "../../middleware/acted.ts";
import type { Caller } from "../../middleware/authorize.ts";
import { pathId, queryText } from "../../openapi/parameters.ts";
import type { SigningKey } from "../../signing/signing-key.ts";
import { count } from "../answers.ts";
import { limitParameter, readCursor, readLimit } from "../query.ts";
import { keyRoutes } from "../route.ts";
import { unreachable } from "../../../shared/assert.ts";
import { apiError } from "../../../shared/errors.ts";

const ROOTS_MAX = 100;
const ROOTS = 20;
const PURPOSE = "gigarouter statement 1";
const LINE_ID = /^txn_([1-9]\d{0,14})$/;
const EXAMPLE_HASH = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";

const encoder = new TextEncoder();

const signedFields = {
  entry: z
    .string()
    .describe(
      "JSON: `account`, `index`, `previous` (SHA-256 of the text of the entry before, in hex; null: the first), `hour` (unix seconds), `lines`, `first` (the id of its first line), `root` (in hex). Signed and hashed as it is served.",
    ),
  kid: z.string().describe("A key of /.well-known/jwks.json."),
  signature: z.string().describe(`Ed25519, in base64url, of \`entry\` for the purpose \`${PURPOSE}\`.`),
};
const ENTRY = `{"account":"acct_2CxOKm7On2jGw4","index":0,"previous":null,"hour":1789999200,"lines":1,"first":"txn_1","root":"${EXAMPLE_HASH}"}`;
const SIGNED = {
  entry: ENTRY,
  kid: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
  signature: "A".repeat(86),
};

export const PROOF_ROUTES = keyRoutes("Account", "usage:read", [
  {
    method: "get",
    path: "/v1/transactions/roots",
    id: "listTransactionRoots",
    summary: "The signed Merkle roots of the statement's hours, newest first",
    description:
      "An entry for each hour with lines, a minute after its end, each with the hash of the one before. Keep the newest: a chain without it was rewritten. docs/bill.md has a program that checks it.",
    parameters: [limitParameter(ROOTS_MAX, ROOTS), queryText("page", "`next_page` of the page before.")],
    answers: {
      200: {
        description: "Entries of the chain.",
        name: "TransactionRoots",
        schema: z.object({
          object: z.literal("list"),
          data: z.array(z.object({ object: z.literal("transaction.root"), ...signedFields })),
          has_more: z.boolean(),
          next_page: z.nullable(z.string()),
        }),
        example: {
          object: "list",
          data: [{ object: "transaction.root", ...SIGNED }],
          has_more: false,
          next_page: null,
        },
      },
    },
    errors: ["route_not_found"],
    handler: listRoots,
  },
  {
    method: "get",
    path: "/v1/transactions/{id}/proof",
    id: "proveTransaction",
    summary: "The proof that a line stands in the statement",
    description:
      "RFC 9162's inclusion proof of the line's exact text under its hour's signed root: at most 2 KB, checked offline by the program in docs/bill.md.",
    parameters: [{ ...pathId("id", "The line's id."), errors: ["object_not_found"] }],
    answers: {
      200: {
        description: "Line, path and signed root.",
        name: "TransactionProof",
        schema: z.object({
          object: z.literal("transaction.proof"),
          leaf: z.string().describe("The line as JSON: the exact text that is hashed."),
          index: count.describe("The leaf's place in the tree of `lines` leaves."),
          path: z.array(z.string()).describe("The hashes beside the way up, the lowest first, in hex."),
          ...signedFields,
        }),
        example: {
          object: "transaction.proof",
          leaf: '{"id":"txn_1","at":1790000000,"kind":"topup","amount_nano_usd":5000000000,"balance_after_nano_usd":5000000000,"description":"Top-up"}',
          index: 0,
          path: [],
          ...SIGNED,
        },
      },
    },
    errors: ["not_sealed_yet", "route_not_found"],
    handler: proveTransaction,
  },
]);

async function listRoots(c: Context, { accountId }: Caller): Promise<Response> {
  const key = await signingKeyOf(c);
  const page: SealsPage = acted(
    await accountStub(c.env, accountId).seals(readCursor(c, "page"), readLimit(c, ROOTS_MAX, ROOTS)),
  );
  const data = page.seals.map(async ({ entry }) => ({ object: "transaction.root", ...(await signed(key, entry)) }));
  return c.json({
    object: "list",
    data: await Promise.all(data),
    has_more: page.before !== undefined,
    next_page: page.before === undefined ? null : String(page.before),
  });
}

async function proveTransaction(c: Context, { accountId }: Caller): Promise<Response> {
  const key = await signingKeyOf(c);
  const position = LINE_ID.exec(c.req.param("id") ?? "")?.[1];
  const outcome: ProofOutcome =
    position === undefined ? { kind: "unknown" } : acted(await accountStub(c.env, accountId).proof(Number(position)));
  switch (outcome.kind) {
    case "proof": {
      const { leaf, index, path, entry } = outcome;
      return c.json({ object: "transaction.proof", leaf, index, path, ...(await signed(key, entry)) });
    }
    case "unsealed":
      throw apiError(
        "not_sealed_yet",
        `The hour of this line is not sealed yet: ask again at ${new Date(outcome.untilMs).toISOString()}. Until then its line may grow, and its id may change.`,
        "id",
      );
    case "unknown":
      throw apiError("object_not_found", "No such transaction in this account.", "id");
    default:
      return unreachable(outcome);
  }
}

/** Throws where nothing can be proved. */
async function signingKeyOf(c: Context): Promise<SigningKey> {
  const key = await c.get("services").signingKey;
  if (key !== undefined) return key;
  throw apiError("route_not_found", "This deployment signs nothing, so its statement has no proofs.");
}

/** Signed when it is served: Ed25519 has one signature for a key and a text, and after a rotation the new key's. */
async function signed(key: SigningKey, entry: string) {
  return { entry, ...(await key.sign(PURPOSE, encoder.encode(entry))) };
}
