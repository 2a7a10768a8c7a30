// What a browser sees: pages, and the routes that only pages use. Registered in one place (app.ts calls it). The pages
// get their data from the public API of `app` itself.

import type { Hono } from "hono";
import type { AppEnv, Context } from "../context.ts";
import { findModel } from "../models/models.ts";
import { getAsset } from "../pages/assets.ts";
import { dashboardPage } from "../pages/dashboard-page.ts";
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
import { sameOrigin } from "../session/same-origin.ts";
import { readSession } from "../session/session.ts";
import { signInWithKey, signOut } from "../session/sign-in.ts";
import { apiError } from "../../shared/errors.ts";

const KEPT_A_DAY = { "cache-control": "public, max-age=86400" };

export function addPageRoutes(app: Hono<AppEnv>): void {
  const originOf = (c: Context): string => new URL(c.req.url).origin;

  app.get("/", async (c) => respond(c, landingPage(originOf(c), await publicModels(c, app))));
  app.get("/models", async (c) => respond(c, modelsPage(await publicModels(c, app))));
  app.get("/models/:name", (c) => redirectToModel(c, app));
  app.get("/models/:owner/:name", (c) => showModel(c, app));
  app.post("/models/:owner/:name/want", sameOrigin, (c) => want(c, app));
  app.get("/playground", async (c) => respond(c, playgroundPage(await readSession(c), await publicModels(c, app))));

  app.get("/dashboard", async (c) => {
    const session = await readSession(c);
    return respond(c, session === undefined ? signInPage(c.env) : dashboardPage(session));
  });
  app.post("/dashboard/sign-in", sameOrigin, async (c) => {
    const result = await signInWithKey(c);
    return result.kind === "signed_in" ? c.redirect("/dashboard", 303) : respond(c, signInPage(c.env, result.message));
  });
  app.post("/dashboard/sign-out", sameOrigin, signOut);
  app.get("/auth/github", beginGitHubSignIn);
  app.get("/auth/github/callback", async (c) => {
    const result = await endGitHubSignIn(c);
    return result.kind === "signed_in" ? c.redirect("/dashboard", 303) : respond(c, signInPage(c.env, result.message));
  });
  app.all(`${PROXY_PREFIX}/v1/*`, sameOrigin, (c) => proxyToApi(c, app));

  app.get("/assets/:file", getAsset);
  addLegalRoutes(app);
}

function addLegalRoutes(app: Hono<AppEnv>): void {
  app.get("/terms", (c) => respond(c, termsPage(c.get("services").config)));
  app.get("/privacy", (c) => respond(c, privacyPage(c.get("services").config)));
  app.get("/contact", (c) => respond(c, contactPage(c.get("services").config)));
  app.get("/robots.txt", (c) => c.text(ROBOTS_TXT, 200, KEPT_A_DAY));
  app.get("/.well-known/security.txt", (c) => {
    const text = securityTxt(c.get("services").config, new URL(c.req.url).origin, Date.now());
    if (text === undefined) throw apiError("route_not_found", "This deployment names nobody to write to.");
    return c.text(text, 200, KEPT_A_DAY);
  });
}

function modelIdOf(c: Context): string {
  return `${c.req.param("owner") ?? ""}/${c.req.param("name") ?? ""}`;
}

/** A bare name, or an id with an encoded slash, leads to the model's page. */
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
  return respond(c, modelPage({ origin: new URL(c.req.url).origin, model, models, isWanted }));
}

/** For listed models that are not live; a plain form, so the answer is the page again. */
async function want(c: Context, app: Hono<AppEnv>): Promise<Response> {
  const id = modelIdOf(c);
  const model = (await publicModels(c, app)).find((listed) => listed.id === id);
  if (model === undefined) return respond(c, unknownModelPage(id));
  if (model.status !== "live") await recordWant(c, model.id);
  return c.redirect(`/models/${model.id}?wanted#want`, 303);
}
