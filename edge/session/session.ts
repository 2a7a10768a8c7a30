// Who is signed in on the pages. A session is a cookie that seals an API key of the account (seal.ts), and a row in the
// account's object (account-sessions.ts), so that a copied cookie is worthless after signing out. The pages read
// all data through the public API with that key's rights (proxy.ts).
//
// The cookie is `__Host-` (only https or a loopback address, only this host), HttpOnly, and SameSite=Lax.

import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import * as z from "zod";
import { accountStub } from "../account/account-stub.ts";
import type { Context } from "../context.ts";
import { parseId } from "../../shared/ids.ts";
import type { AccountId, Id } from "../../shared/ids.ts";
import { ConfigError } from "../settings.ts";
import type { SessionSecrets } from "./seal.ts";
import { seal, unseal } from "./seal.ts";

const COOKIE = "session";
const PREFIX = "host";
/** How long a session lasts; a key created for it expires then too. */
export const SESSION_LIFE_S = 7 * 86_400;

const idOf = <Kind extends "account" | "session">(kind: Kind) =>
  z.string().transform((text, context) => {
    const id = parseId(kind, text);
    if (id !== undefined) return id;
    context.addIssue({ code: "custom", message: "an id" });
    return z.NEVER;
  });
const sessionSchema = z.object({
  id: idOf("session"),
  accountId: idOf("account"),
  apiKey: z.string(),
  name: z.string(),
  expiresAtMs: z.number(),
});

export interface Session {
  readonly id: Id<"session">;
  readonly accountId: AccountId;
  /** The key's text: sealed into the cookie, never shown. */
  readonly apiKey: string;
  /** How the page addresses the visitor: a key's name, a GitHub login. */
  readonly name: string;
  readonly expiresAtMs: number;
}

/** Throws ConfigError without a secret, because anyone could forge a session then. */
export function sessionSecrets(c: Context): SessionSecrets {
  const { SESSION_SECRET: current, SESSION_SECRET_PREVIOUS: previous } = c.get("services").config;
  if (current === undefined) throw new ConfigError("SESSION_SECRET is missing: nobody can sign in to the pages.");
  return { SESSION_SECRET: current, SESSION_SECRET_PREVIOUS: previous };
}

/** Sets the cookie of a session that the account has begun. */
export async function startSession(c: Context, session: Session): Promise<void> {
  setCookie(c, COOKIE, await seal(session, "session", sessionSecrets(c)), {
    prefix: PREFIX,
    path: "/",
    secure: true,
    httpOnly: true,
    sameSite: "Lax",
    maxAge: SESSION_LIFE_S,
  });
}

/** The session of the request; undefined if there is none, or it has ended or is forged. */
export async function readSession(c: Context): Promise<Session | undefined> {
  const text = getCookie(c, COOKIE, PREFIX);
  if (text === undefined || text === "") return undefined;
  const parsed = sessionSchema.safeParse(await unseal(text, "session", sessionSecrets(c)));
  if (!parsed.success || parsed.data.expiresAtMs <= Date.now()) return undefined;
  const { accountId, id } = parsed.data;
  return (await accountStub(c.env, accountId).session(id)) === undefined ? undefined : parsed.data;
}

/** Deletes the cookie. */
export function dropCookie(c: Context): void {
  deleteCookie(c, COOKIE, { prefix: PREFIX, path: "/", secure: true, httpOnly: true, sameSite: "Lax" });
}
