// Ways to sign in without an API key: each is a link that the sign-in page shows if it is configured.

import type { Env } from "../bindings.ts";

export interface SignInProvider {
  /** On the button: `Continue with GitHub`. */
  readonly label: string;
  /** Starts the sign-in; a GET of our own origin. */
  readonly href: string;
  readonly isConfigured: (env: Env) => boolean;
}

/** In the order shown. */
export const SIGN_IN_PROVIDERS: readonly SignInProvider[] = [
  {
    label: "Continue with GitHub",
    href: "/auth/github",
    isConfigured: (env) => Boolean(env.GITHUB_CLIENT_ID) && Boolean(env.GITHUB_CLIENT_SECRET),
  },
];
