// Every route that the document leaves out: what a browser sees, what only pages ask for, MCP, and what Stripe calls. Pages
// get their data from the public API of `app`.

import type { Hono } from "hono";
import type { AppEnv, Context } from "../context.ts";
import { postMcp } from "../mcp/mcp.ts";
import { findModel } from "../models/models.ts";
import { getAsset } from "../pages/assets.ts";
import { comparePage } from "../pages/compare-page.ts";
import { dashboardPage } from "../pages/dashboard-page.ts";
import { benchmarkRowOf } from "../pages/facts.ts";
import { docsPage } from "../pages/docs-page.ts";
import { guideMarkdown, guidePage, markdownAnswer, negotiated } from "../pages/guide-page.ts";
import type { Guide } from "../pages/guides.ts";
import { GUIDES } from "../pages/guides.ts";
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
import { referenceText } from "../openapi/reference.ts";
import { originOf } from "./documents.ts";
import { GET_MODEL, GET_MODEL_BY_NAME, LIST_MODELS } from "./models.ts";
import type { PageRoute } from "./route.ts";
import { getStatusPage } from "./status.ts";
import { ROUTES } from "./table.ts";
import { postStripeWebhook } from "./stripe-webhook.ts";
import { apiError } from "../../shared/errors.ts";

const KEPT_A_DAY = { "cache-control": "public, max-age=86400" };

/** A page that everybody may see. */
const shown = (path: string, handler: PageRoute["handler"], more: Partial<PageRoute> = {}): PageRoute => ({
  method: "get",
  path,
  auth: "none",
  handler,
  ...more,
});

/** A form of our own pages. */
const form = (path: string, handler: PageRoute["handler"]): PageRoute => ({
  method: "post",
  path,
  auth: "site",
  handler,
});

export const PAGES: readonly PageRoute[] = [
  shown("/", async (c, app) => respond(c, landingPage(originOf(c), await publicModels(c, app)))),
  shown("/models", async (c, app) => respond(c, modelsPage(await publicModels(c, app))), { program: LIST_MODELS }),
  shown("/compare", async (c, app) => respond(c, comparePage(await publicModels(c, app), c.req.query("wanted")))),
  shown("/models/{name}", redirectToModel, { program: GET_MODEL_BY_NAME }),
  shown("/models/{owner}/{name}", showModel, { program: GET_MODEL }),
  form("/models/{owner}/{name}/want", want),
  shown("/playground", async (c, app) => respond(c, playgroundPage(await readSession(c), await publicModels(c, app)))),
  shown("/dashboard", showDashboard),
  form("/dashboard/sign-in", async (c) => answerSignIn(c, await signInWithKey(c))),
  form("/dashboard/sign-out", signOut),
  shown("/auth/github", beginGitHubSignIn),
  shown("/auth/github/callback", async (c) => answerSignIn(c, await endGitHubSignIn(c))),
  { method: "all", path: `${PROXY_PREFIX}/v1/*`, auth: "site", handler: proxyToApi },
  shown("/docs", (c) => negotiated(c, docsPage, () => reference(c))),
  shown("/docs.md", (c) => markdownAnswer(c, reference(c))),
  ...GUIDES.flatMap(guideRoutes),
  shown("/status", getStatusPage, { unconfigured: true }),
  shown("/assets/{file}", getAsset),
  shown("/terms", (c) => respond(c, termsPage(c.get("services").config))),
  shown("/privacy", (c) => respond(c, privacyPage(c.get("services").config))),
  shown("/contact", (c) => respond(c, contactPage(c.get("services").config))),
  shown("/robots.txt", (c) => c.text(ROBOTS_TXT, 200, KEPT_A_DAY)),
  shown("/.well-known/security.txt", showSecurityContact),
  { method: "post", path: "/mcp", auth: "call", handler: postMcp },
  { method: "post", path: "/stripe/webhook", auth: "none", handler: postStripeWebhook },
];

function reference(c: Context): string {
  return referenceText(originOf(c), ROUTES);
}

/** A guide, for people and as Markdown. */
function guideRoutes(guide: Guide): readonly PageRoute[] {
  const markdown = (c: Context) => guideMarkdown(c.env, originOf(c), guide);
  return [
    shown(`/docs/${guide.name}`, (c) =>
      negotiated(
        c,
        () => guidePage(c.env, originOf(c), guide),
        () => markdown(c),
      ),
    ),
    shown(`/docs/${guide.name}.md`, async (c) => markdownAnswer(c, await markdown(c))),
  ];
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
  if (model === undefined)
    return benchmarkRowOf(id) !== undefined ? c.redirect("/compare", 302) : respond(c, unknownModelPage(id));
  const isWanted = c.req.query("wanted") !== undefined;
  return respond(c, modelPage({ origin: originOf(c), model, models, isWanted }));
}

/** Counts a wish for a model that is not live, or not offered and only compared. It is a plain form, so the answer is the page again. */
async function want(c: Context, app: Hono<AppEnv>): Promise<Response> {
  const id = modelIdOf(c);
  const model = (await publicModels(c, app)).find((listed) => listed.id === id);
  if (model === undefined && benchmarkRowOf(id) === undefined) return respond(c, unknownModelPage(id));
  if (model?.status !== "live") await recordWant(c, id);
  if (model === undefined) return c.redirect(`/compare?wanted=${encodeURIComponent(id)}#want`, 303);
  return c.redirect(`/models/${model.id}?wanted#want`, 303);
}
