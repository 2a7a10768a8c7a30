// GET /auth/github and /auth/github/callback. State and PKCE verifier are in a sealed cookie for ten minutes, so
// nothing is stored. The person's account is found or created, with the free credit once, and the session gets its own
// key, which expires with it. The redirect goes only to our own dashboard.

import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import * as z from "zod";
import { accountStub } from "../account/account-stub.ts";
import type { Context } from "../context.ts";
import { createAccount } from "../account/create-account.ts";
import { toBase64Url } from "../lib/base64-url.ts";
import { locationOf } from "../lib/location.ts";
import { acted } from "../middleware/acted.ts";
import { findAccount } from "../directory/accounts.ts";
import { identify, replaceAccount } from "../directory/identities.ts";
import { apiError } from "../../shared/errors.ts";
import { equalTexts, sha256 } from "../../shared/hmac.ts";
import type { AccountId } from "../../shared/ids.ts";
import { giveFreeCredit } from "./free-credit.ts";
import { GitHub, GitHubError } from "./github.ts";
import type { GitHubPerson } from "./github.ts";
import { seal, unseal } from "./seal.ts";
import { SESSION_LIFE_S, sessionSecrets, startSession } from "./session.ts";

const COOKIE = "sign-in";
const COOKIE_OPTIONS = { prefix: "host", path: "/", secure: true, httpOnly: true, sameSite: "Lax" } as const;
const LIFE_S = 600;
const RANDOM_BYTES = 32;
const CALLBACK = "/auth/github/callback";
const ACTOR = "github";

const pendingSchema = z.object({ state: z.string(), verifier: z.string(), expiresAtMs: z.number() });

/** What the sign-in page shows instead of a session. */
export type GitHubSignIn = { readonly kind: "signed_in" } | { readonly kind: "refused"; readonly message: string };

export async function beginGitHubSignIn(c: Context): Promise<Response> {
  const [state, verifier] = [randomText(), randomText()];
  const pending = { state, verifier, expiresAtMs: Date.now() + LIFE_S * 1000 };
  const sealed = await seal(pending, "sign-in", sessionSecrets(c));
  setCookie(c, COOKIE, sealed, { ...COOKIE_OPTIONS, maxAge: LIFE_S });
  const challenge = toBase64Url(await sha256(verifier));
  c.header("cache-control", "no-store");
  return c.redirect(gitHubOf(c).authorizeUrl(callbackUrl(c), state, challenge), 302);
}

/** Sets the session's cookie only on success. */
export async function endGitHubSignIn(c: Context): Promise<GitHubSignIn> {
  const github = gitHubOf(c);
  const text = getCookie(c, COOKIE, COOKIE_OPTIONS.prefix);
  deleteCookie(c, COOKIE, COOKIE_OPTIONS);
  const pending = pendingSchema.safeParse(text && (await unseal(text, "sign-in", sessionSecrets(c))));
  const { code, state, error } = c.req.query();
  if (error !== undefined) return refused("GitHub was not allowed to tell us who you are. You can sign in with a key.");
  const fits = pending.success && state !== undefined && (await equalTexts(state, pending.data.state));
  if (!fits || pending.data.expiresAtMs < Date.now() || code === undefined) {
    return refused("This sign-in is over or was begun elsewhere. Begin again.");
  }
  try {
    const person = await github.person(code, pending.data.verifier, callbackUrl(c));
    const accountId = await accountOf(c, person);
    await beginSession(c, accountId, person.login);
    return { kind: "signed_in" };
  } catch (failure) {
    if (failure instanceof GitHubError) return refused("GitHub did not confirm who you are. Try again in a minute.");
    throw failure;
  }
}

/** The person's account, with the free credit if it is due. Also finishes an interrupted sign-in. */
async function accountOf(c: Context, person: GitHubPerson): Promise<AccountId> {
  let identity = await identify(c.env.DIRECTORY, "github", person.subject, Date.now());
  const known = await findAccount(c.env.DIRECTORY, identity.accountId);
  if (known?.status === "deleted" || known?.status === "deleting") {
    identity = await replaceAccount(c.env.DIRECTORY, "github", person.subject, identity.accountId);
  }
  // Repeating it, or a second sign-in at the same moment, gives the same account.
  const location = locationOf(c.req.raw.cf);
  await createAccount(c.env, newAccount(person), ACTOR, { id: identity.accountId, location });
  await giveFreeCredit(c.env, c.get("services").config, identity, { bornMs: person.bornMs, actor: ACTOR });
  return identity.accountId;
}

function newAccount({ login, email }: GitHubPerson) {
  return { name: login, ...(email !== undefined && { email }) };
}

/** Begins a session with its own key, which has every scope. */
async function beginSession(c: Context, accountId: AccountId, name: string): Promise<void> {
  const expiresAtMs = Date.now() + SESSION_LIFE_S * 1000;
  const begun = acted(
    await accountStub(c.env, accountId).beginOwnSession(accountId, { via: "github", name, expiresAtMs }, ACTOR),
  );
  if (begun === "too_many_keys")
    throw apiError("limit_reached", "This account has as many keys as an account may have: sign in with one of them.");
  await startSession(c, { id: begun.session.id, accountId, apiKey: begun.key, name, expiresAtMs });
}

function gitHubOf(c: Context): GitHub {
  const { config } = c.get("services");
  const { GITHUB_CLIENT_ID: id, GITHUB_CLIENT_SECRET: secret } = config;
  if (id !== undefined && secret !== undefined) return new GitHub(id, secret, c.env);
  throw apiError("route_not_found", "No such route: this deployment has no sign-in by GitHub.");
}

function callbackUrl(c: Context): string {
  return new URL(CALLBACK, c.req.url).href;
}

function refused(message: string): GitHubSignIn {
  return { kind: "refused", message };
}

function randomText(): string {
  return toBase64Url(crypto.getRandomValues(new Uint8Array(RANDOM_BYTES)));
}
