// /v1/keys and /v1/key: an account's keys. A key's text is shown once; another account's key is unknown.

import * as z from "zod";
import { accountStub } from "../account/account-stub.ts";
import type { CreatedKey } from "../account/account-with-keys.ts";
import type { KeyView } from "../keys/key-acts.ts";
import type { Context } from "../context.ts";
import { authorize } from "../middleware/authorize.ts";
import { readJson } from "../middleware/body.ts";
import { answerRepeat, keyReused, onceOf } from "../middleware/once.ts";
import { isRepeat } from "../lib/made-once.ts";
import type { Repeat } from "../lib/made-once.ts";
import { acted } from "../middleware/acted.ts";
import { createKeySchema, createdKeyAnswer, draftOf, keyAnswer, noCap, patchKeySchema, patchOf } from "./key-fields.ts";
import { listPage, pageOfAll } from "./list-query.ts";
import { apiError } from "../../shared/errors.ts";
import type { KeyId } from "../../shared/ids.ts";
import { parseId } from "../../shared/ids.ts";
import { integer, parseBody, parsePatch } from "../../shared/schemas/fields.ts";

const BODY_BYTES_MAX = 64 * 1024;
const OVERLAP_S_MAX = 7 * 86_400;
export const rotateSchema = z.strictObject({ overlap_s: integer(0, OVERLAP_S_MAX).default(0) });

/** GET /v1/key: the key that asks. */
export async function getOwnKey(c: Context): Promise<Response> {
  const { accountId, keyId } = await authorize(c, "any");
  return c.json(keyAnswer(acted(await accountStub(c.env, accountId).getKey(keyId)), modelsOf(c)));
}

export async function listKeys(c: Context): Promise<Response> {
  const { accountId } = await authorize(c, "keys:write");
  const keys = acted(await accountStub(c.env, accountId).listKeys());
  const page = await pageOfAll(c, accountId, "key", keys);
  return c.json(
    listPage(
      page.items.map((key) => keyAnswer(key, modelsOf(c))),
      page.hasMore,
    ),
  );
}

export async function createKey(c: Context): Promise<Response> {
  const { accountId, by } = await authorize(c, "keys:write");
  const draft = draftOf(parseBody(createKeySchema, await readJson(c, BODY_BYTES_MAX)), modelsOf(c));
  const created: CreatedKey | Repeat<KeyView> | "too_many_keys" | "reused" = acted(
    await accountStub(c.env, accountId).createKey(accountId, draft, by, onceOf(c)),
  );
  if (created === "too_many_keys")
    throw apiError("limit_reached", "This account has as many keys as an account may have: revoke one first.");
  return answerCreated(c, created, 201);
}

export async function getKey(c: Context): Promise<Response> {
  const { accountId } = await authorize(c, "keys:write");
  return c.json(keyAnswer(known(await accountStub(c.env, accountId).getKey(keyIdOf(c))), modelsOf(c)));
}

/** `null` takes a term away. */
export async function patchKey(c: Context): Promise<Response> {
  const { accountId, by } = await authorize(c, "keys:write");
  const patch = patchOf(parsePatch(patchKeySchema, await readJson(c, BODY_BYTES_MAX)), modelsOf(c));
  const patched: KeyView | "unknown" | "no_cap" = acted(
    await accountStub(c.env, accountId).patchKey(keyIdOf(c), patch, by),
  );
  if (patched === "no_cap") throw noCap();
  return c.json(keyAnswer(known(patched), modelsOf(c)));
}

export async function rotateKey(c: Context): Promise<Response> {
  const { accountId, by } = await authorize(c, "keys:write");
  const { overlap_s: overlapS } = parseBody(rotateSchema, await readJson(c, BODY_BYTES_MAX));
  const rotated: CreatedKey | Repeat<KeyView> | "unknown" | "reused" = acted(
    await accountStub(c.env, accountId).rotateKey(accountId, keyIdOf(c), overlapS * 1000, by, onceOf(c)),
  );
  return answerCreated(c, known(rotated), 200);
}

export async function deleteKey(c: Context): Promise<Response> {
  const { accountId, by } = await authorize(c, "keys:write");
  const id = keyIdOf(c);
  known(acted(await accountStub(c.env, accountId).revokeKey(id, by)));
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
