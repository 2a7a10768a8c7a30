// /v1/keys and /v1/key: an account's keys. A key's secret is shown once; another account's key is unknown.

import * as z from "zod";
import { accountStub } from "../../account/account-stub.ts";
import type { CreatedKey } from "../../account/account-keys.ts";
import type { Context } from "../../context.ts";
import type { KeyView } from "../../keys/key-acts.ts";
import type { Repeat } from "../../lib/made-once.ts";
import { isRepeat } from "../../lib/made-once.ts";
import { acted } from "../../middleware/acted.ts";
import type { Caller } from "../../middleware/authorize.ts";
import { readJson } from "../../middleware/body.ts";
import { answerRepeat, keyReused, onceOf } from "../../middleware/once.ts";
import { ONCE } from "../../openapi/parameters.ts";
import { deletedAnswer } from "../answers.ts";
import { WHOLE_LIST, listPage, pageAnswer, pageOfAll } from "../list-query.ts";
import { idInPath, idParameter, known } from "../object-in-path.ts";
import { keyRoutes } from "../route.ts";
import {
  CREATED_KEY_ANSWER,
  KEY,
  KEY_ANSWER,
  createKeySchema,
  createdKeyAnswer,
  draftOf,
  keyAnswer,
  noCap,
  patchKeySchema,
  patchOf,
} from "./key-fields.ts";
import { apiError } from "../../../shared/errors.ts";
import { integer, parseBody, parsePatch } from "../../../shared/schemas/fields.ts";

const BODY_BYTES_MAX = 64 * 1024;
const OVERLAP_S_MAX = 7 * 86_400;
const rotateSchema = z.strictObject({ overlap_s: integer(0, OVERLAP_S_MAX).default(0) });

export const KEYS = keyRoutes("Keys", "keys:write", [
  {
    method: "get",
    path: "/v1/key",
    id: "getOwnKey",
    summary: "The key that asks",
    scope: "any",
    answers: { 200: KEY_ANSWER },
    handler: getOwnKey,
  },
  {
    method: "get",
    path: "/v1/keys",
    id: "listKeys",
    summary: "All keys of the account",
    parameters: WHOLE_LIST,
    answers: {
      200: pageAnswer("Keys", "A page of keys; an account has at most 100, so that without `limit` there is one.", KEY),
    },
    handler: listKeys,
  },
  {
    method: "post",
    path: "/v1/keys",
    id: "createKey",
    summary: "Create a key",
    description:
      "Without `scopes` the key may only call models (`embeddings`, `rerank`, `batches`, as far as its creator may). No key creates one that may do more than itself; a key with a spending cap or rates of its own creates none.",
    body: {
      name: "CreateKeyRequest",
      schema: createKeySchema,
      example: { name: "Search", scopes: ["embeddings"], cap_nano_usd: 1_000_000_000, cap_reset: "month" },
    },
    answers: { 201: CREATED_KEY_ANSWER },
    parameters: [ONCE],
    errors: ["limit_reached"],
    handler: createKey,
  },
  {
    method: "get",
    path: "/v1/keys/{id}",
    id: "getKey",
    summary: "One key",
    parameters: [idParameter("key")],
    answers: { 200: KEY_ANSWER },
    handler: getKey,
  },
  {
    method: "patch",
    path: "/v1/keys/{id}",
    id: "patchKey",
    summary: "Change a key's terms",
    description: "`null` removes a term. In force within 30 seconds for calls that spend, at once for all others.",
    parameters: [idParameter("key")],
    body: { name: "PatchKeyRequest", schema: patchKeySchema, example: { name: "Search, staging" } },
    answers: { 200: KEY_ANSWER },
    handler: patchKey,
  },
  {
    method: "delete",
    path: "/v1/keys/{id}",
    id: "deleteKey",
    summary: "Revoke a key",
    description:
      "In force within 30 seconds for calls that spend, at once for all others. A key may revoke itself and keys that may do no more than it.",
    parameters: [idParameter("key")],
    answers: { 200: deletedAnswer("DeletedKey", "key", "The key is revoked.", "api_key") },
    handler: deleteKey,
  },
  {
    method: "post",
    path: "/v1/keys/{id}/rotate",
    id: "rotateKey",
    summary: "Give a key a new secret",
    description: "The old secret works for another `overlap_s` seconds.",
    parameters: [idParameter("key"), ONCE],
    body: { name: "RotateKeyRequest", schema: rotateSchema, example: { overlap_s: 3600 } },
    answers: { 200: CREATED_KEY_ANSWER },
    handler: rotateKey,
  },
]);

async function getOwnKey(c: Context, { accountId, keyId }: Caller): Promise<Response> {
  return c.json(keyAnswer(acted(await accountStub(c.env, accountId).getKey(keyId)), modelsOf(c)));
}

async function listKeys(c: Context, { accountId }: Caller): Promise<Response> {
  const keys = acted(await accountStub(c.env, accountId).listKeys());
  const page = await pageOfAll(c, accountId, "key", keys);
  return c.json(
    listPage(
      page.items.map((key) => keyAnswer(key, modelsOf(c))),
      page.hasMore,
    ),
  );
}

async function createKey(c: Context, { accountId, by }: Caller): Promise<Response> {
  const draft = draftOf(parseBody(createKeySchema, await readJson(c, BODY_BYTES_MAX)), modelsOf(c));
  const created: CreatedKey | Repeat<KeyView> | "too_many_keys" | "reused" = acted(
    await accountStub(c.env, accountId).createKey(accountId, draft, by, onceOf(c)),
  );
  if (created === "too_many_keys")
    throw apiError("limit_reached", "This account has as many keys as an account may have: revoke one first.");
  return answerCreated(c, created, 201);
}

async function getKey(c: Context, { accountId }: Caller): Promise<Response> {
  return c.json(keyAnswer(known("key", await accountStub(c.env, accountId).getKey(idInPath(c, "key"))), modelsOf(c)));
}

/** `null` removes a term. */
async function patchKey(c: Context, { accountId, by }: Caller): Promise<Response> {
  const patch = patchOf(parsePatch(patchKeySchema, await readJson(c, BODY_BYTES_MAX)), modelsOf(c));
  const patched: KeyView | "unknown" | "no_cap" = acted(
    await accountStub(c.env, accountId).patchKey(idInPath(c, "key"), patch, by),
  );
  if (patched === "no_cap") throw noCap();
  return c.json(keyAnswer(known("key", patched), modelsOf(c)));
}

async function rotateKey(c: Context, { accountId, by }: Caller): Promise<Response> {
  const { overlap_s: overlapS } = parseBody(rotateSchema, await readJson(c, BODY_BYTES_MAX));
  const rotated: CreatedKey | Repeat<KeyView> | "unknown" | "reused" = acted(
    await accountStub(c.env, accountId).rotateKey(accountId, idInPath(c, "key"), overlapS * 1000, by, onceOf(c)),
  );
  return answerCreated(c, known("key", rotated), 200);
}

async function deleteKey(c: Context, { accountId, by }: Caller): Promise<Response> {
  const id = idInPath(c, "key");
  known("key", acted(await accountStub(c.env, accountId).revokeKey(id, by)));
  return c.json({ id, object: "api_key", deleted: true });
}

function answerCreated(c: Context, created: CreatedKey | Repeat<KeyView> | "reused", status: 200 | 201): Response {
  if (created === "reused") throw keyReused();
  if (!isRepeat(created)) return c.json(createdKeyAnswer(created, modelsOf(c)), status);
  return answerRepeat(c, { ...keyAnswer(created.again, modelsOf(c)), key: created.secret }, status);
}

function modelsOf(c: Context) {
  return c.get("services").models;
}
