// Who is signed in on the pages. A session is a cookie that seals an API key of the account (seal.ts): nothing is
// stored, the key's revocation ends the session within the lease TTL, and every page's data come through the public API
// with that key's rights (proxy.ts). Whoever signs somebody in by other means (GitHub) makes a key that expires with the
// session and calls `startSession`.
//
// The cookie is `__Host-`: https alone (or a loopback address), this host alone; HttpOnly; SameSite=Lax.

import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import * as z from "zod";
import type { Context } from "../context.ts";
import { ConfigError } from "../settings.ts";
import type { SessionSecrets } from "./seal.ts";
import { seal, unseal } from "./seal.ts";

const COOKIE = "session";
const PREFIX = "host";
/** How long a session lasts; a key made for one sign-in should expire then too. */
export const SESSION_LIFE_S = 7 * 86_400;

const sessionSchema = z.object({
  apiKey: z.string(),
  via: z.enum(["key", "github"]),
  name: z.string(),
  expiresAtMs: z.number(),
});
export type Session = Readonly<z.infer<typeof sessionSchema>>;

export interface NewSession {
  /** The key's text: sealed into the cookie, never shown. */
  readonly apiKey: string;
  readonly via: Session["via"];
  /** How the page addresses the visitor: a key's name, a GitHub login. */
  readonly name: string;
}

/** Throws ConfigError where nobody can be signed in: a value sealed without a secret would be anybody's to make. */
export function sessionSecrets(c: Context): SessionSecrets {
  const { SESSION_SECRET: current, SESSION_SECRET_PREVIOUS: previous } = c.get("services").config;
  if (current === undefined) throw new ConfigError("SESSION_SECRET is missing: nobody can sign in to the pages.");
  return { SESSION_SECRET: current, SESSION_SECRET_PREVIOUS: previous };
}

/** Signs the visitor of `c` in: sets the cookie on the answer. */
export async function startSession(c: Context, session: NewSession): Promise<void> {
  const value = { ...session, expiresAtMs: Date.now() + SESSION_LIFE_S * 1000 } satisfies Session;
  setCookie(c, COOKIE, await seal(value, "session", sessionSecrets(c)), {
    prefix: PREFIX,
    path: "/",
    secure: true,
    httpOnly: true,
    sameSite: "Lax",
    maxAge: SESSION_LIFE_S,
  });
}

/** The session of the request; undefined when there is none, or it is over or forged. */
export async function readSession(c: Context): Promise<Session | undefined> {
  const text = getCookie(c, COOKIE, PREFIX);
  if (text === undefined || text === "") return undefined;
  const parsed = sessionSchema.safeParse(await unseal(text, "session", sessionSecrets(c)));
  return parsed.success && parsed.data.expiresAtMs > Date.now() ? parsed.data : undefined;
}

/** Signs out: the cookie is taken back. The key lives on until it expires or is revoked. */
export function endSession(c: Context): void {
  deleteCookie(c, COOKIE, { prefix: PREFIX, path: "/", secure: true, httpOnly: true, sameSite: "Lax" });
}
