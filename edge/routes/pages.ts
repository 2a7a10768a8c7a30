// Every route that the document leaves out: what a browser sees, what only pages ask for, and what Stripe calls. Pages
// get their data from the public API of `app`.

import type { Hono } from "hono";
import type { AppEnv, Context } from "../context.ts";
import { findModel } from "../models/models.ts";
import { getAsset } from "../pages/assets.ts";
import { dashboardPage } from "../pages/dashboard-page.ts";
import { docsPage } from "../pages/docs-page.ts";
import { errorsPage } from "../pages/errors-page.ts";
import { landingPage } from "../pages/landing.ts";
import { respond } from "../pages/layout.ts";
import { ROBOTS_TXT, contactPage, privacyPage, securityTxt, termsPage } from "../pages/legal-pages.ts";
import { modelPage } from "../pages/model-page.ts";
import { modelsPage } from "../pages/models-page.ts";
import { unknownModelPage } from "../pages/not-found-page.ts";
import { playgroundPage } from "../pages/playground-page.ts";
import { publicModels } from "../pages/public-models.ts";
import { signInPage } from "../pages/sign-in-page.ts";
import { recordWant } from "../pages/wants.ts";
import { beginGitHubSignIn, endGitHubSignIn } from "../session/github-sign-in.ts";
import { PROXY_PREFIX, proxyToApi } from "../session/proxy.ts";
import { readSession } from "../session/session.ts";
import type { SignInResult } from "../session/sign-in.ts";
import { signInWithKey, signOut } from "../session/sign-in.ts";
import { GET_MODEL, GET_MODEL_BY_NAME, LIST_MODELS } from "./models.ts";
import type { PageRoute } from "./route.ts";
import { getStatusPage } from "./status.ts";
import { postStripeWebhook } from "./stripe-webhook.ts";
import { apiError } from "../../shared/errors.ts";

const KEPT_A_DAY = { "cache-control": "public, max-age=86400" };

export const PAGES: readonly PageRoute[] = [
  {
    method: "get",
    path: "/",
    auth: "none",
    handler: async (c, app) => respond(c, landingPage(originOf(c), await publicModels(c, app))),
  },
  {
    method: "get",
    path: "/models",
    auth: "none",
    program: LIST_MODELS,
    handler: async (c, app) => respond(c, modelsPage(await publicModels(c, app))),
  },
  { method: "get", path: "/models/{name}", auth: "none", program: GET_MODEL_BY_NAME, handler: redirectToModel },
  { method: "get", path: "/models/{owner}/{name}", auth: "none", program: GET_MODEL, handler: showModel },
  { method: "post", path: "/models/{owner}/{name}/want", auth: "site", handler: want },
  {
    method: "get",
    path: "/playground",
    auth: "none",
    handler: async (c, app) => respond(c, playgroundPage(await readSession(c), await publicModels(c, app))),
  },
  { method: "get", path: "/dashboard", auth: "none", handler: showDashboard },
  {
    method: "post",
    path: "/dashboard/sign-in",
    auth: "site",
    handler: async (c) => answerSignIn(c, await signInWithKey(c)),
  },
  { method: "post", path: "/dashboard/sign-out", auth: "site", handler: signOut },
  { method: "get", path: "/auth/github", auth: "none", handler: beginGitHubSignIn },
  {
    method: "get",
    path: "/auth/github/callback",
    auth: "none",
    handler: async (c) => answerSignIn(c, await endGitHubSignIn(c)),
  },
  { method: "all", path: `${PROXY_PREFIX}/v1/*`, auth: "site", handler: proxyToApi },
  { method: "get", path: "/docs", auth: "none", handler: (c) => respond(c, docsPage()) },
  { method: "get", path: "/docs/errors", auth: "none", handler: async (c) => respond(c, await errorsPage(c.env)) },
  { method: "get", path: "/status", auth: "none", unconfigured: true, handler: getStatusPage },
  { method: "get", path: "/assets/{file}", auth: "none", handler: getAsset },
  { method: "get", path: "/terms", auth: "none", handler: (c) => respond(c, termsPage(c.get("services").config)) },
  { method: "get", path: "/privacy", auth: "none", handler: (c) => respond(c, privacyPage(c.get("services").config)) },
  { method: "get", path: "/contact", auth: "none", handler: (c) => respond(c, contactPage(c.get("services").config)) },
  { method: "get", path: "/robots.txt", auth: "none", handler: (c) => c.text(ROBOTS_TXT, 200, KEPT_A_DAY) },
  { method: "get", path: "/.well-known/security.txt", auth: "none", handler: showSecurityContact },
  { method: "post", path: "/stripe/webhook", auth: "none", handler: postStripeWebhook },
];

function originOf(c: Context): string {
  return new URL(c.req.url).origin;
}

async function showDashboard(c: Context): Promise<Response> {
  const session = await readSession(c);
  return respond(c, session === undefined ? signInPage(c.env) : dashboardPage(session));
}

function answerSignIn(c: Context, result: SignInResult): Response | Promise<Response> {
  return result.kind === "signed_in" ? c.redirect("/dashboard", 303) : respond(c, signInPage(c.env, result.message));
}

function showSecurityContact(c: Context): Response {
  const text = securityTxt(c.get("services").config, originOf(c), Date.now());
  if (text === undefined) throw apiError("route_not_found", "This deployment has no contact address.");
  return c.text(text, 200, KEPT_A_DAY);
}

function modelIdOf(c: Context): string {
  return `${c.req.param("owner") ?? ""}/${c.req.param("name") ?? ""}`;
}

/** Redirects a bare name, or an id with an encoded slash, to the model's page. */
async function redirectToModel(c: Context, app: Hono<AppEnv>): Promise<Response> {
  const name = c.req.param("name") ?? "";
  const model = findModel(name, await publicModels(c, app));
  return model === undefined ? respond(c, unknownModelPage(name)) : c.redirect(`/models/${model.id}`, 302);
}

async function showModel(c: Context, app: Hono<AppEnv>): Promise<Response> {
  const id = modelIdOf(c);
  const models = await publicModels(c, app);
  const model = models.find((listed) => listed.id === id);
  if (model === undefined) return respond(c, unknownModelPage(id));
  const isWanted = c.req.query("wanted") !== undefined;
  return respond(c, modelPage({ origin: originOf(c), model, models, isWanted }));
}

/** Counts a wish for a listed model that is not live. It is a plain form, so the answer is the page again. */
async function want(c: Context, app: Hono<AppEnv>): Promise<Response> {
  const id = modelIdOf(c);
  const model = (await publicModels(c, app)).find((listed) => listed.id === id);
  if (model === undefined) return respond(c, unknownModelPage(id));
  if (model.status !== "live") await recordWant(c, model.id);
  return c.redirect(`/models/${model.id}?wanted#want`, 303);
}
