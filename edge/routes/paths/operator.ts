// For whoever runs this deployment.

import * as z from "zod";
import type { Answer, Operation } from "../../openapi/operation.ts";
import { BODY_ERRORS, MAKING_ERRORS } from "../../openapi/operation.ts";
import { ONCE, pathId, queryText } from "../../openapi/parameters.ts";
import { ACCOUNT, BOOKS, accountSchema, booksSchema } from "../account/account.ts";
import { refundSchema } from "../admin-refunds.ts";
import { putModelSchema } from "../admin-models.ts";
import { reconcileSchema } from "../admin-reconcile.ts";
import { createAccountSchema, grantSchema, patchAccountSchema } from "../admin.ts";
import { amountNanoUsd, count, model, unixSeconds } from "../answers.ts";
import { MODEL_ANSWER } from "../examples.ts";
import { CREATED_KEY_ANSWER, createKeySchema } from "../keys/key-fields.ts";
import { limitParameter } from "../query.ts";
import { oneOf } from "../../../shared/schemas/fields.ts";

const tag = "Operator";
const id = pathId("id", "The account's id.");
const cursor = queryText("cursor", "`next_cursor` of the page before.");
const booksAnswer: Answer = {
  description: "The books.",
  name: "Books",
  schema: booksSchema,
  example: BOOKS,
};

const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.object({
    object: z.literal("list"),
    data: z.array(item),
    has_more: z.boolean(),
    next_cursor: z.nullable(z.string()),
  });
const EMPTY_LIST = { object: "list", data: [], has_more: false, next_cursor: null };

const listedAccount = z.object({
  id: z.string(),
  object: z.literal("account"),
  name: z.string(),
  email: z.nullable(z.string()),
  status: z.string(),
  created_at: z.nullable(unixSeconds),
  deleted_at: z.nullable(unixSeconds),
  charged_nano_usd: amountNanoUsd,
  reported_at: z.nullable(unixSeconds),
});

const auditEntry = z.object({
  id: count,
  object: z.literal("audit_entry"),
  at: z.nullable(unixSeconds),
  actor: z.string(),
  action: z.string(),
  target: z.string(),
  facts: z.record(z.string(), z.unknown()),
  outcome: z.nullable(z.string()),
});

const accounts: readonly Operation[] = [
  {
    method: "get",
    path: "/admin/accounts",
    id: "adminListAccounts",
    tag,
    summary: "All accounts, newest first",
    auth: "operator",
    parameters: [limitParameter(100, 20), cursor],
    answers: {
      200: {
        description: "Names, status and sums as the directory knows them.",
        name: "AdminAccounts",
        schema: pageOf(listedAccount),
        example: EMPTY_LIST,
      },
    },
    errors: ["invalid_value"],
  },
  {
    method: "post",
    path: "/admin/accounts",
    id: "adminCreateAccount",
    tag,
    summary: "Create an account",
    auth: "operator",
    body: { name: "CreateAccountRequest", schema: createAccountSchema, example: { name: "Search team" } },
    answers: { 201: { description: "The account.", name: "Account", schema: accountSchema, example: ACCOUNT } },
    errors: BODY_ERRORS,
  },
  {
    method: "get",
    path: "/admin/accounts/{id}",
    id: "adminGetAccount",
    tag,
    summary: "The books of an account",
    auth: "operator",
    parameters: [id],
    answers: { 200: booksAnswer },
    errors: ["object_not_found"],
  },
  {
    method: "patch",
    path: "/admin/accounts/{id}",
    id: "adminPatchAccount",
    tag,
    summary: "Set limits or status",
    auth: "operator",
    parameters: [id],
    body: { name: "PatchAccountRequest", schema: patchAccountSchema, example: { status: "suspended" } },
    answers: { 200: booksAnswer },
    errors: [...BODY_ERRORS, "object_not_found"],
  },
];

const grants: readonly Operation[] = [
  {
    method: "post",
    path: "/admin/accounts/{id}/grants",
    id: "adminCreateGrant",
    tag,
    summary: "Grant credit",
    description: "The same `id` twice grants once (200 the second time).",
    auth: "operator",
    parameters: [id],
    body: {
      name: "CreateGrantRequest",
      schema: grantSchema,
      example: { amount_usd: 5, kind: "promo", id: "welcome" },
      rules: {
        oneOf: [
          {
            required: ["amount_usd"],
            properties: { amount_nano_usd: { type: "null" }, amount_usd: { type: ["number", "string"] } },
          },
          {
            required: ["amount_nano_usd"],
            properties: { amount_usd: { type: "null" }, amount_nano_usd: { type: "integer" } },
          },
        ],
      },
    },
    answers: {
      201: {
        description: "Granted.",
        name: "Grant",
        schema: grantAnswer(),
        example: { id: "welcome", granted: true, amount_nano_usd: 5_000_000_000 },
      },
      200: {
        description: "This id had been granted before.",
        name: "Grant",
        schema: grantAnswer(),
        example: { id: "welcome", granted: false, amount_nano_usd: 5_000_000_000 },
      },
    },
    errors: [...BODY_ERRORS, "incompatible_options", "object_not_found", "limit_reached"],
  },
  {
    method: "post",
    path: "/admin/accounts/{id}/refunds",
    id: "adminCreateRefund",
    tag,
    summary: "Refund a payment by card, or a part of it",
    description:
      "Through Stripe and in the books: what was paid for and is not spent. The same `Idempotency-Key` again is the same refund, and is answered with what became of it.",
    auth: "operator",
    parameters: [id, { ...ONCE, required: true, description: "Needed: the same one again is the same refund." }],
    body: { name: "CreateRefundRequest", schema: refundSchema, example: { payment: "pi_123", amount_usd: 12.5 } },
    answers: {
      201: {
        description:
          "`status` is Stripe's; `requested`: Stripe has not answered, and is asked again until it has, while the credit is set aside.",
        name: "Refund",
        schema: z.object({
          id: z.string(),
          object: z.literal("refund"),
          account_id: z.string(),
          payment: z.string(),
          stripe_refund: z.nullable(z.string()),
          status: z.string(),
          amount_usd: z.string().describe("Of credit."),
          amount_nano_usd: amountNanoUsd,
          tax_usd: z.string().describe("Went back to the card beside it."),
          tax_nano_usd: amountNanoUsd,
          balance_usd: z.string(),
          balance_nano_usd: amountNanoUsd,
        }),
        example: {
          id: "refund_0000000000000a",
          object: "refund",
          account_id: ACCOUNT.id,
          payment: "pi_123",
          stripe_refund: "re_123",
          status: "succeeded",
          amount_usd: "12.5",
          amount_nano_usd: 12_500_000_000,
          tax_usd: "0",
          tax_nano_usd: 0,
          balance_usd: "7.5",
          balance_nano_usd: 7_500_000_000,
        },
      },
    },
    errors: [
      ...BODY_ERRORS,
      ...MAKING_ERRORS,
      "invalid_request",
      "object_not_found",
      "credit_held",
      "limit_reached",
      "payments_not_offered",
      "payment_unavailable",
    ],
  },
  {
    method: "post",
    path: "/admin/accounts/{id}/keys",
    id: "adminCreateKey",
    tag,
    summary: "Create a key for an account",
    auth: "operator",
    parameters: [id],
    body: { name: "CreateKeyRequest", schema: createKeySchema, example: { name: "First key" } },
    answers: { 201: CREATED_KEY_ANSWER },
    errors: [...BODY_ERRORS, "object_not_found", "limit_reached"],
  },
];

function grantAnswer() {
  return z.object({ id: z.string(), granted: z.boolean(), amount_nano_usd: amountNanoUsd });
}

const putModel: Operation = {
  method: "put",
  path: "/admin/models/{owner}/{name}",
  id: "adminPutModel",
  tag,
  summary: "Set a model's prices and status",
  description: "In force everywhere within 60 seconds. A field that is not named stays as it is.",
  auth: "operator",
  parameters: [pathId("owner", "The part before the slash."), pathId("name", "The part behind it.")],
  body: { name: "PutModelRequest", schema: putModelSchema, example: { status: "live" } },
  answers: {
    200: {
      description: "The model as buyers see it, and the operator's own status.",
      name: "AdminModel",
      schema: model.extend({ operator_status: z.enum(["live", "coming_soon"]) }),
      example: { ...MODEL_ANSWER, operator_status: "live" },
    },
  },
  errors: [...BODY_ERRORS, "model_not_found"],
};

export const OPERATOR: readonly Operation[] = [
  ...accounts,
  ...grants,
  putModel,
  {
    ...putModel,
    path: "/admin/models/{name}",
    id: "adminPutModelByName",
    summary: "The same, with an encoded slash",
    parameters: [pathId("name", "`owner%2Fname`.")],
  },
  {
    method: "get",
    path: "/admin/stats",
    id: "adminStats",
    tag,
    summary: "Sums over all accounts",
    description: "As last reported: every few hours, and when somebody looked at an account's books.",
    auth: "operator",
    answers: {
      200: {
        description: "Sums, and how old the oldest report is.",
        name: "Stats",
        schema: z.object({
          object: z.literal("stats"),
          accounts: z.object({ active: count, suspended: count, deleted: count }),
          charged_usd: z.string(),
          charged_nano_usd: amountNanoUsd,
          written_off_nano_usd: amountNanoUsd,
          lost_bound_nano_usd: amountNanoUsd,
          reported_at: z.object({ oldest: z.nullable(unixSeconds), newest: z.nullable(unixSeconds) }),
          wants: z.array(z.object({ model: z.string(), count })),
        }),
        example: {
          object: "stats",
          accounts: { active: 1, suspended: 0, deleted: 0 },
          charged_usd: "0",
          charged_nano_usd: 0,
          written_off_nano_usd: 0,
          lost_bound_nano_usd: 0,
          reported_at: { oldest: null, newest: null },
          wants: [],
        },
      },
    },
    errors: [],
  },
  {
    method: "get",
    path: "/admin/audit",
    id: "adminAudit",
    tag,
    summary: "What operators did, newest first",
    auth: "operator",
    parameters: [limitParameter(200, 50), cursor],
    answers: {
      200: { description: "Entries.", name: "Audit", schema: pageOf(auditEntry), example: EMPTY_LIST },
    },
    errors: ["invalid_value"],
  },
  {
    method: "get",
    path: "/admin/backup",
    id: "adminBackup",
    tag,
    summary: "The whole books, a line of JSON each; `npm run backup` reads them",
    auth: "operator",
    parameters: [queryText("after", "The account that the last line of the call before named.")],
    answers: {
      200: {
        description: "Lines; the last is `end`, or `more` with where to go on.",
        mediaType: "application/x-ndjson",
      },
    },
    errors: ["invalid_value"],
  },
  {
    method: "post",
    path: "/admin/restore",
    id: "adminRestore",
    tag,
    summary: "One line of a backup, into a deployment that lacks it; `npm run restore` sends them",
    auth: "operator",
    body: {
      name: "RestoreRequest",
      schema: z.looseObject({ kind: oneOf(["account", "directory"]) }),
      example: { kind: "directory", table: "models", rows: [] },
    },
    answers: {
      200: {
        description: "`exists`: it was there, and stays as it is.",
        name: "Restored",
        schema: z.object({
          kind: z.enum(["account", "directory"]),
          id: z.string().optional(),
          outcome: z.enum(["restored", "exists"]),
        }),
        example: { kind: "directory", outcome: "restored" },
      },
    },
    errors: ["invalid_json", "invalid_value", "body_too_large"],
  },
  {
    method: "post",
    path: "/admin/reconcile",
    id: "adminReconcile",
    tag,
    summary: "A page of Stripe's events against the books; what was missed is done, once",
    auth: "operator",
    body: { name: "ReconcileRequest", schema: reconcileSchema, example: { days: 3 } },
    answers: {
      200: {
        description: "What was found on this page.",
        name: "Reconciled",
        schema: z.object({
          checked: count,
          missed: z.array(z.string()),
          refused: z.array(z.object({ event: z.string(), reason: z.string() })),
          next: z.nullable(z.string()),
        }),
        example: { checked: 2, missed: [], refused: [], next: null },
      },
    },
    errors: [...BODY_ERRORS, "payments_not_offered", "payment_unavailable"],
  },
];
