// POST /dashboard/sign-in and /dashboard/sign-out: plain forms, so that they work without a script. The key travels once,
// in the body of a post, and is asked of the public API itself (GET /v1/key) before it is sealed into the cookie.

import type { Hono } from "hono";
import * as z from "zod";
import { collectBytes } from "../collect-bytes.ts";
import type { AppEnv, Context } from "../context.ts";
import { endSession, startSession } from "./session.ts";

const BODY_BYTES_MAX = 4096;
const decoder = new TextDecoder();

/** `refused`: what the form says; its sentence is the API's own, without the link. */
export type SignInResult = { readonly kind: "signed_in" } | { readonly kind: "refused"; readonly message: string };

const keySchema = z.object({ name: z.string(), prefix: z.string() });
const errorSchema = z.object({ error: z.object({ message: z.string() }) });

/** Signs in with the form's `key`. Sets the session's cookie on success alone. */
export async function signInWithKey(c: Context, app: Hono<AppEnv>): Promise<SignInResult> {
  const key = (await formField(c, "key")).trim();
  if (key === "") return { kind: "refused", message: "Paste an API key: it begins with gr-." };
  const headers = new Headers({ authorization: `Bearer ${key.replaceAll(/\s/g, "")}` });
  const address = c.req.header("cf-connecting-ip");
  if (address !== undefined) headers.set("cf-connecting-ip", address);
  const answer = await app.fetch(new Request(new URL("/v1/key", c.req.url), { headers }), c.env, c.executionCtx);
  const body: unknown = await answer.json();
  if (answer.status !== 200) {
    const message = errorSchema.parse(body).error.message.replace(/ See http\S+$/, "");
    return { kind: "refused", message };
  }
  const { name, prefix } = keySchema.parse(body);
  await startSession(c, { apiKey: key, via: "key", name: `${name} (${prefix})` });
  return { kind: "signed_in" };
}

export function signOut(c: Context): Response {
  endSession(c);
  return c.redirect("/dashboard", 303);
}

/** A field of a small urlencoded form; empty when it is absent or the body is too large. */
async function formField(c: Context, name: string): Promise<string> {
  const { body } = c.req.raw;
  const bytes = body === null ? undefined : await collectBytes(body, BODY_BYTES_MAX);
  return new URLSearchParams(decoder.decode(bytes)).get(name) ?? "";
}
