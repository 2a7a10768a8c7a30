// GET /dashboard: the frame of the signed-in pages. Its script fills the views from the public API (session/proxy.ts).

import { html, raw } from "hono/html";
import type { Session } from "../session/session.ts";
import type { Page } from "./layout.ts";

const VIEWS: readonly (readonly [id: string, label: string])[] = [
  ["usage", "Usage"],
  ["keys", "Keys"],
  ["transactions", "Transactions"],
  ["alerts", "Limits and alerts"],
  ["batches", "Batches"],
  ["account", "Account"],
];

export function dashboardPage(session: Session): Page {
  return {
    title: "Dashboard",
    description: "Usage, keys, limits and credit of your account.",
    section: "dashboard",
    scripts: ["dashboard.js"],
    isPrivate: true,
    body: html`<div class="dashboard">
      <div class="dashboard-head">
        <h1>Dashboard</h1>
        <p class="muted" id="signed-in" data-session="${session.id}">Signed in with ${session.name}</p>
        <form method="post" action="/dashboard/sign-out"><button type="submit">Sign out</button></form>
      </div>
      <nav class="views" aria-label="Dashboard">${VIEWS.map(([id, label]) => html`<a href="#${id}">${label}</a>`)}</nav>
      <noscript
        ><p class="note">
          The dashboard needs JavaScript. The same figures are in the API: GET /v1/usage, /v1/account, /v1/keys.
        </p></noscript
      >
      <p class="visually-hidden" role="status" aria-live="polite" id="announcer"></p>
      <p class="note" role="status" id="payment" hidden></p>
      <p class="note warn" role="alert" id="fault" hidden></p>
      ${VIEWS.map(
        ([id, label]) =>
          html`<section class="view" id="${id}" aria-labelledby="${id}-title" ${raw("hidden")}>
            <h2 id="${id}-title" tabindex="-1">${label}</h2>
            <div class="view-body"></div>
          </section>`,
      )}
    </div>`,
  };
}
