// /v1/keys and /v1/key: an account's keys. A key's text is shown once; another account's key is unknown.

import * as z from "zod";
import { accountStub } from "../account-stub.ts";
import type { KeyView } from "../account/key-acts.ts";
import type { Context } from "../context.ts";
import { authorize } from "../middleware/authorize.ts";
import { readJson } from "../middleware/body.ts";
import { stillThere } from "../middleware/still-there.ts";
import { checkReach, inheritedTerms, patchedReach } from "./key-reach.ts";
import { createKeySchema, createdKeyAnswer, keyAnswer, patchKeySchema, patchOf, termsOf } from "./key-fields.ts";
import { apiError } from "../../shared/errors.ts";
import type { KeyId } from "../../shared/ids.ts";
import { parseId } from "../../shared/ids.ts";
import { integer, parseBody } from "../../shared/schemas/fields.ts";

const BODY_BYTES_MAX = 64 * 1024;
const OVERLAP_S_MAX = 7 * 86_400;
export const rotateSchema = z.strictObject({ overlap_s: integer(0, OVERLAP_S_MAX).default(0) });

/** GET /v1/key: the key that asks. */
export async function getOwnKey(c: Context): Promise<Response> {
  const rights = await authorize(c, undefined);
  const key = await accountStub(c.env, rights.accountId).getKey(rights.keyId);
  // Revoked a moment ago: this isolate's lease still knows its rights, the account knows better.
  if (key === undefined) throw apiError("invalid_api_key", "This API key was revoked: use another, or create one.");
  return c.json(keyAnswer(key));
}

export async function listKeys(c: Context): Promise<Response> {
  const { accountId } = await authorize(c, "keys:write");
  const keys = stillThere(await accountStub(c.env, accountId).listKeys());
  return c.json({ object: "list", data: keys.map(keyAnswer), has_more: false });
}

export async function createKey(c: Context): Promise<Response> {
  const rights = await authorize(c, "keys:write");
  const { accountId, keyId } = rights;
  const body = parseBody(createKeySchema, await readJson(c, BODY_BYTES_MAX));
  const terms = inheritedTerms(termsOf(body), rights, { scopes: body.scopes !== undefined });
  checkReach(terms, rights);
  const created = stillThere(await accountStub(c.env, accountId).createKey(accountId, terms, keyId));
  if (created === "too_many_keys")
    throw apiError("limit_reached", "This account has as many keys as an account may have: revoke one first.");
  return c.json(createdKeyAnswer(created), 201);
}

export async function getKey(c: Context): Promise<Response> {
  const { accountId } = await authorize(c, "keys:write");
  return c.json(keyAnswer(known(await accountStub(c.env, accountId).getKey(keyIdOf(c)))));
}

export async function patchKey(c: Context): Promise<Response> {
  const rights = await authorize(c, "keys:write");
  const { accountId, keyId } = rights;
  const patch = patchOf(parseBody(patchKeySchema, await readJson(c, BODY_BYTES_MAX)));
  const stub = accountStub(c.env, accountId);
  const before: KeyView = known(await stub.getKey(keyIdOf(c)));
  checkReach(before, rights);
  checkReach(patchedReach(before, patch), rights);
  return c.json(keyAnswer(known(await stub.patchKey(before.id, patch, keyId))));
}

export async function rotateKey(c: Context): Promise<Response> {
  const rights = await authorize(c, "keys:write");
  const { accountId, keyId } = rights;
  const { overlap_s: overlapS } = parseBody(rotateSchema, await readJson(c, BODY_BYTES_MAX));
  const stub = accountStub(c.env, accountId);
  const before: KeyView = known(await stub.getKey(keyIdOf(c)));
  checkReach(before, rights); // its new secret goes to whoever asks
  const rotated = await stub.rotateKey(accountId, before.id, overlapS * 1000, keyId);
  return c.json(createdKeyAnswer(known(rotated)));
}

export async function deleteKey(c: Context): Promise<Response> {
  const { accountId, keyId } = await authorize(c, "keys:write");
  const id = keyIdOf(c);
  known(await accountStub(c.env, accountId).revokeKey(id, keyId));
  return c.json({ id, object: "api_key", deleted: true });
}

function keyIdOf(c: Context): KeyId {
  const id = parseId("key", c.req.param("id") ?? "");
  if (id === undefined) throw unknownKey();
  return id;
}

function known<Value>(value: Value | "unknown" | undefined): Value {
  if (value === undefined || value === "unknown") throw unknownKey();
  return value;
}

function unknownKey() {
  return apiError("object_not_found", "No such key in this account.", "id");
}
