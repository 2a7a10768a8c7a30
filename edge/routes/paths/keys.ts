// An account's keys.

import * as z from "zod";
import type { Answer, Operation } from "../../openapi/operation.ts";
import { BODY_ERRORS, MAKING_ERRORS } from "../../openapi/operation.ts";
import { ONCE, pathId } from "../../openapi/parameters.ts";
import { createdKey, key } from "../answers.ts";
import { KEY } from "../examples.ts";
import { createKeySchema, patchKeySchema } from "../key-fields.ts";
import { rotateSchema } from "../keys.ts";
import { listPage, pageSchema, WHOLE_LIST } from "../list-query.ts";
import { reportSchema } from "../report-leak.ts";

const tag = "Keys";
const id = pathId("id", "The key's id.");
const one: Answer = { description: "The key, without its secret.", name: "Key", schema: key, example: KEY };
export const created: Answer = {
  description: "The key with its secret: shown this once.",
  name: "CreatedKey",
  schema: createdKey,
  example: { ...KEY, key: "gr-…" },
};

export const KEYS: readonly Operation[] = [
  {
    method: "get",
    path: "/v1/key",
    id: "getOwnKey",
    tag,
    summary: "The key that asks",
    auth: "key",
    answers: { 200: one },
    errors: [],
  },
  {
    method: "get",
    path: "/v1/keys",
    id: "listKeys",
    tag,
    summary: "All keys of the account",
    auth: "key",
    parameters: WHOLE_LIST,
    answers: {
      200: {
        description: "A page of keys; an account has at most 100, so that without `limit` there is one.",
        name: "Keys",
        schema: pageSchema(key),
        example: listPage([KEY], false),
      },
    },
    errors: ["invalid_value"],
  },
  {
    method: "post",
    path: "/v1/keys",
    id: "createKey",
    tag,
    summary: "Create a key",
    description:
      "Without `scopes` it calls models and no more (`embeddings`, `rerank`, `batches`, as far as its maker does). No key makes one that may do more than itself; one with a spending cap or rates of its own makes none.",
    auth: "key",
    body: {
      name: "CreateKeyRequest",
      schema: createKeySchema,
      example: { name: "Search", scopes: ["embeddings"], cap_nano_usd: 1_000_000_000, cap_reset: "month" },
    },
    answers: { 201: created },
    parameters: [ONCE],
    errors: [...BODY_ERRORS, ...MAKING_ERRORS, "limit_reached"],
  },
  {
    method: "get",
    path: "/v1/keys/{id}",
    id: "getKey",
    tag,
    summary: "One key",
    auth: "key",
    parameters: [id],
    answers: { 200: one },
    errors: ["object_not_found"],
  },
  {
    method: "patch",
    path: "/v1/keys/{id}",
    id: "patchKey",
    tag,
    summary: "Change a key's terms",
    description:
      "`null` takes a term away. For what is spent in force everywhere within 30 seconds, for anything else at once.",
    auth: "key",
    parameters: [id],
    body: { name: "PatchKeyRequest", schema: patchKeySchema, example: { name: "Search, staging" } },
    answers: { 200: one },
    errors: [...BODY_ERRORS, "object_not_found"],
  },
  {
    method: "delete",
    path: "/v1/keys/{id}",
    id: "deleteKey",
    tag,
    summary: "Revoke a key",
    description:
      "For what is spent in force everywhere within 30 seconds, for anything else at once. A key revokes itself, and those that may do no more than it.",
    auth: "key",
    parameters: [id],
    answers: {
      200: {
        description: "It is revoked.",
        name: "DeletedKey",
        schema: z.object({ id: z.string(), object: z.literal("api_key"), deleted: z.literal(true) }),
        example: { id: KEY.id, object: "api_key", deleted: true },
      },
    },
    errors: ["object_not_found"],
  },
  {
    method: "post",
    path: "/v1/keys/{id}/rotate",
    id: "rotateKey",
    tag,
    summary: "Give a key a new secret",
    description: "The old one goes on for `overlap_s` seconds.",
    auth: "key",
    parameters: [id, ONCE],
    body: { name: "RotateKeyRequest", schema: rotateSchema, example: { overlap_s: 3600 } },
    answers: { 200: created },
    errors: [...BODY_ERRORS, ...MAKING_ERRORS, "object_not_found"],
  },
  {
    method: "post",
    path: "/v1/keys/report-leak",
    id: "reportLeak",
    tag,
    summary: "Have a key that leaked revoked",
    description: "Whoever found it may. The answer is the same whether the key was ours or not.",
    auth: "none",
    body: { name: "ReportLeakRequest", schema: reportSchema, example: { key: "gr-…" } },
    answers: {
      202: {
        description: "Received.",
        name: "LeakReport",
        schema: z.object({ object: z.literal("leak_report"), received: z.literal(true) }),
        example: { object: "leak_report", received: true },
      },
    },
    errors: [...BODY_ERRORS, "rate_limit_exceeded"],
  },
];
