// GitHub's three routes in memory. It checks what GitHub checks: the client, the code once, PKCE's verifier.

import { TEST_BINDINGS } from "../../support/test-bindings.ts";

interface Grant {
  readonly challenge: string;
  readonly user: FakeUser;
}

export interface FakeUser {
  readonly id: number;
  readonly login: string;
  /** ISO 8601; old unless told. */
  readonly createdAt?: string;
  readonly emails: readonly { readonly email: string; readonly primary: boolean; readonly verified: boolean }[];
}

export class FakeGitHub {
  readonly #codes = new Map<string, Grant>();
  readonly #tokens = new Map<string, FakeUser>();
  isDown = false;

  owns(url: string): boolean {
    return url.startsWith(TEST_BINDINGS.GITHUB_ORIGIN) || url.startsWith(TEST_BINDINGS.GITHUB_API_ORIGIN);
  }

  /** `user` says yes on the page at `authorizeUrl`: the callback's query. */
  approve(authorizeUrl: string, user: FakeUser): string {
    const { searchParams } = new URL(authorizeUrl);
    const code = `code-${this.#codes.size + 1}`;
    this.#codes.set(code, { challenge: searchParams.get("code_challenge") ?? "", user });
    return `?code=${code}&state=${searchParams.get("state") ?? ""}`;
  }

  async fetch(url: string, init: RequestInit): Promise<Response> {
    if (this.isDown) return new Response("unicorn", { status: 502 });
    const headers = new Headers(init.headers);
    if (!headers.has("user-agent")) return new Response("no user agent", { status: 403 });
    if (url.endsWith("/login/oauth/access_token")) {
      return this.#token(new URLSearchParams(typeof init.body === "string" ? init.body : ""));
    }
    const user = this.#tokens.get(headers.get("authorization")?.slice("Bearer ".length) ?? "");
    if (user === undefined) return Response.json({ message: "Bad credentials" }, { status: 401 });
    return Response.json(
      url.endsWith("/emails")
        ? user.emails
        : {
            id: user.id,
            login: user.login,
            created_at: user.createdAt ?? "2011-01-25T18:44:36Z",
          },
    );
  }

  async #token(form: URLSearchParams): Promise<Response> {
    const code = form.get("code") ?? "";
    const grant = this.#codes.get(code);
    this.#codes.delete(code);
    const fits =
      grant !== undefined &&
      form.get("client_secret") === TEST_BINDINGS.GITHUB_CLIENT_SECRET &&
      (await challengeOf(form.get("code_verifier") ?? "")) === grant.challenge;
    if (!fits) return Response.json({ error: "bad_verification_code" });
    const token = `token-${code}`;
    this.#tokens.set(token, grant.user);
    return Response.json({ access_token: token, token_type: "bearer" });
  }
}

async function challengeOf(verifier: string): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier)));
  return btoa(String.fromCodePoint(...hash))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}
