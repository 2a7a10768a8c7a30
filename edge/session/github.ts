// GitHub's side of signing in: OAuth's authorization code with state and PKCE. Three calls; no token is stored.
// Source: docs.github.com/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps, RFC 7636 (S256), RFC 9700.

import * as z from "zod";

const ORIGIN = "https://github.com";
const API_ORIGIN = "https://api.github.com";
const ANSWER_MS = 10_000;

export interface GitHubSettings {
  /** Both or neither. */
  readonly GITHUB_CLIENT_ID?: string;
  readonly GITHUB_CLIENT_SECRET?: string;
  /** Other origins for tests, or GitHub Enterprise. */
  readonly GITHUB_ORIGIN?: string;
  readonly GITHUB_API_ORIGIN?: string;
}

export interface GitHubPerson {
  /** GitHub's numeric id, because a login name can change hands. */
  readonly subject: string;
  readonly login: string;
  /** When the account at GitHub was created, Unix ms; undefined: unknown. */
  readonly bornMs: number | undefined;
  /** The primary address, if GitHub has verified it. */
  readonly email: string | undefined;
}

/** GitHub refused or did not answer. The message is for the log, not for the visitor. */
export class GitHubError extends Error {
  override name = "GitHubError";
}

const tokenSchema = z.object({ access_token: z.string().min(1) });
const userSchema = z.object({
  id: z.number().int().positive(),
  login: z.string().min(1),
  created_at: z.string().optional(),
});
const emailsSchema = z.array(z.object({ email: z.email(), primary: z.boolean(), verified: z.boolean() }));

export class GitHub {
  readonly #clientId: string;
  readonly #clientSecret: string;
  readonly #origin: string;
  readonly #apiOrigin: string;

  constructor(clientId: string, clientSecret: string, settings: GitHubSettings) {
    this.#clientId = clientId;
    this.#clientSecret = clientSecret;
    this.#origin = settings.GITHUB_ORIGIN ?? ORIGIN;
    this.#apiOrigin = settings.GITHUB_API_ORIGIN ?? API_ORIGIN;
  }

  /** The page on which the visitor consents. `challenge`: base64url of SHA-256 of the verifier. */
  authorizeUrl(redirectUri: string, state: string, challenge: string): string {
    const url = new URL("/login/oauth/authorize", this.#origin);
    url.search = new URLSearchParams({
      client_id: this.#clientId,
      redirect_uri: redirectUri,
      state,
      scope: "user:email",
      code_challenge: challenge,
      code_challenge_method: "S256",
    }).toString();
    return url.href;
  }

  /** The person who came back with `code`. Throws GitHubError. */
  async person(code: string, verifier: string, redirectUri: string): Promise<GitHubPerson> {
    const form = new URLSearchParams({
      client_id: this.#clientId,
      client_secret: this.#clientSecret,
      code,
      redirect_uri: redirectUri,
      code_verifier: verifier,
    });
    const { access_token: token } = tokenSchema.parse(
      await call(`${this.#origin}/login/oauth/access_token`, tokenSchema, { method: "POST", body: form }),
    );
    const headers = { authorization: `Bearer ${token}` };
    const [user, emails] = await Promise.all([
      call(`${this.#apiOrigin}/user`, userSchema, { headers }),
      call(`${this.#apiOrigin}/user/emails`, emailsSchema, { headers }),
    ]);
    const email = emails.find(({ primary, verified }) => primary && verified)?.email;
    const bornMs = Date.parse(user.created_at ?? "");
    return { subject: String(user.id), login: user.login, email, bornMs: Number.isNaN(bornMs) ? undefined : bornMs };
  }
}

async function call<Schema extends z.ZodType>(
  url: string,
  schema: Schema,
  init: { readonly method?: string; readonly body?: URLSearchParams; readonly headers?: Record<string, string> },
): Promise<z.output<Schema>> {
  const { headers, body, method } = init;
  let answer: unknown;
  try {
    const response = await fetch(url, {
      method: method ?? "GET",
      // GitHub refuses calls without a user agent, and answers forms unless JSON is asked for.
      headers: {
        accept: "application/json",
        "user-agent": "gigarouter-embeddings",
        ...headers,
        ...(body !== undefined && { "content-type": "application/x-www-form-urlencoded" }),
      },
      signal: AbortSignal.timeout(ANSWER_MS),
      ...(body !== undefined && { body: body.toString() }),
    });
    if (!response.ok) throw new GitHubError(`GitHub answered ${response.status}`);
    answer = await response.json();
  } catch (error) {
    throw error instanceof GitHubError ? error : new GitHubError("GitHub did not answer");
  }
  const parsed = schema.safeParse(answer);
  // GitHub answers a wrong, used or expired code with 200 and `error`.
  if (!parsed.success) throw new GitHubError("GitHub's answer is not what was asked for");
  return parsed.data;
}
