// GET /dashboard for a visitor who is not signed in.

import { html } from "hono/html";
import type { Env } from "../bindings.ts";
import type { Page } from "./layout.ts";

/** `fault`: why the last try was refused. */
export function signInPage(env: Env, fault?: string): Page {
  const hasGitHub = Boolean(env.GITHUB_CLIENT_ID) && Boolean(env.GITHUB_CLIENT_SECRET);
  return {
    title: "Sign in",
    description: "Sign in to the dashboard with an API key.",
    section: "dashboard",
    status: fault === undefined ? 200 : 401,
    isPrivate: true,
    body: html`<div class="sign-in">
      <h1>Sign in</h1>
      <p class="muted">Usage, keys, limits and credit of your account.</p>
      ${hasGitHub ? html`<p><a class="button wide" href="/auth/github">Continue with GitHub</a></p>` : ""}
      <form method="post" action="/dashboard/sign-in">
        <label for="key">API key</label>
        <input
          id="key"
          name="key"
          type="password"
          required
          autocomplete="current-password"
          spellcheck="false"
          placeholder="gr-…"
          aria-describedby="key-help${fault === undefined ? "" : " key-fault"}"
          ${fault === undefined ? "" : html`aria-invalid="true"`}
        />
        ${fault === undefined ? "" : html`<p class="fault" id="key-fault" role="alert">${fault}</p>`}
        <p class="muted small" id="key-help">
          Sent once, then sealed into a cookie that scripts cannot read. The page can do what this key can do.
        </p>
        <button class="primary wide" type="submit">Sign in</button>
      </form>
    </div>`,
  };
}
