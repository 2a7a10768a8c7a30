// POST /dashboard/sign-in and /dashboard/sign-out: plain forms, so that they work without a script. The key is sent
// once, in a POST body, and its account checks it before it is sealed into the cookie.

import { accountStub } from "../account/account-stub.ts";
import { collectBytes } from "../lib/collect-bytes.ts";
import type { Context } from "../context.ts";
import { acted } from "../middleware/acted.ts";
import { keyOfText } from "../middleware/authenticate.ts";
import { authorize } from "../middleware/authorize.ts";
import { ApiError } from "../../shared/errors.ts";
import { SESSION_LIFE_S, dropCookie, readSession, startSession } from "./session.ts";

const BODY_BYTES_MAX = 4096;
const decoder = new TextDecoder();

/** `refused`: `message` is the API's own sentence, which the form shows. */
export type SignInResult = { readonly kind: "signed_in" } | { readonly kind: "refused"; readonly message: string };

/** Signs in with the form's `key`. Sets the session's cookie only on success. */
export async function signInWithKey(c: Context): Promise<SignInResult> {
  const apiKey = (await formField(c, "key")).replaceAll(/\s/g, "");
  if (apiKey === "") return { kind: "refused", message: "Paste an API key: it begins with gr-." };
  try {
    c.set("key", await keyOfText(c, apiKey));
    const { accountId, keyId, by } = await authorize(c, "any");
    const stub = accountStub(c.env, accountId);
    const { name: keyName, prefix } = acted(await stub.getKey(keyId));
    const [name, expiresAtMs] = [`${keyName} (${prefix})`, Date.now() + SESSION_LIFE_S * 1000];
    const { id } = acted(await stub.beginSession({ via: "key", name, expiresAtMs }, by));
    await startSession(c, { id, accountId, apiKey, name, expiresAtMs });
    return { kind: "signed_in" };
  } catch (error) {
    if (error instanceof ApiError) return { kind: "refused", message: error.fault.message };
    throw error;
  }
}

/** Ends the session, for every copy of its cookie. */
export async function signOut(c: Context): Promise<Response> {
  const session = await readSession(c);
  if (session !== undefined) await accountStub(c.env, session.accountId).endSessions(session.id, "sign-out");
  dropCookie(c);
  return c.redirect("/dashboard", 303);
}

/** A field of a small urlencoded form; empty if it is absent or the body is too large. */
async function formField(c: Context, name: string): Promise<string> {
  const { body } = c.req.raw;
  const bytes = body === null ? undefined : await collectBytes(body, BODY_BYTES_MAX);
  return new URLSearchParams(decoder.decode(bytes)).get(name) ?? "";
}
