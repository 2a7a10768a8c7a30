// Answers for routes that do not exist: 405 with `Allow` where the path has other methods, otherwise 404 with the
// nearest route, or a page for a browser. The table of routes is hono's own, so it is always right.

import type { Hono } from "hono";
import type { AppEnv, Context } from "../context.ts";
import type { Vendor } from "../lib/vendor.ts";
import { noSuchPage } from "./not-found-page.ts";
import { respond } from "./layout.ts";
import { PROXY_PREFIX } from "../session/proxy.ts";
import { faultResponse } from "../middleware/errors.ts";
import { asksForPage } from "../middleware/for-programs.ts";
import { nearest } from "../../shared/nearest.ts";

const API_PATH = new RegExp(String.raw`^(/v\d+(?:beta)?|/api|/admin|${PROXY_PREFIX})(/|$)`);

interface KnownRoute {
  readonly pattern: RegExp;
  readonly path: string;
  readonly method: string;
}

/** Registers the fallbacks of `app`, after all its routes. `vendorAt`: in whose form a path is answered. */
export function answerUnknownRoutes(app: Hono<AppEnv>, vendorAt: (path: string) => Vendor | undefined): void {
  const routes: readonly KnownRoute[] = app.routes
    .filter((route) => route.method !== "ALL")
    .map(({ path, method }) => ({ path, method, pattern: patternOf(path) }));
  app.notFound((c) => {
    const vendor = vendorAt(c.req.path);
    if (vendor !== undefined) c.set("vendor", vendor);
    return answerUnknown(c, routes);
  });
}

/** A parameter of hono's path, perhaps with the pattern of its value; or a character that a pattern gives a meaning. */
const PARAMETER = /:(\w+)(?:\{([^}]+)\})?|[.*+?^${}()|[\]\\]/g;

function patternOf(path: string): RegExp {
  const source = path.replaceAll(PARAMETER, (found, name?: string, pattern = "[^/]+") =>
    name === undefined ? `\\${found}` : pattern,
  );
  return new RegExp(`^${source}/?$`);
}

/** `/:name{[^/]+:verb}` → `/{name}:verb`. */
function shownPath(path: string): string {
  return path.replaceAll(PARAMETER, (found, name?: string, pattern = "") =>
    name === undefined ? found : `{${name}}${pattern.replace("[^/]+", "")}`,
  );
}

function answerUnknown(c: Context, routes: readonly KnownRoute[]): Response | Promise<Response> {
  const { path } = c.req;
  const matching = routes.filter((route) => route.pattern.test(path));
  // `/v1/keys/report-leak` also matches `/v1/keys/:id`, `…/name:verb` also `…/:name`: the exact path or the verb counts.
  const exact = path.replace(/(?<=.)\/$/, "");
  const own = matching.filter((route) => route.path === exact || route.path.includes("{"));
  const allowed = new Set((own.length > 0 ? own : matching).map((route) => route.method));
  if (allowed.size > 0) {
    if (allowed.has("GET")) allowed.add("HEAD");
    const allow = [...allowed].toSorted().join(", ");
    const response = faultResponse(c, {
      code: "method_not_allowed",
      message: `This route takes ${allow}.`,
      param: null,
    });
    response.headers.set("allow", allow);
    return response;
  }
  if (wantsPage(c)) return respond(c, noSuchPage());
  const hint = hintFor(path, routes);
  const suggestion = hint === undefined ? "GET /v1/openapi.json lists the routes." : `Did you mean \`${hint}\`?`;
  return faultResponse(c, { code: "route_not_found", message: `No such route. ${suggestion}`, param: null });
}

/** True for a browser that follows a link. Under the API's prefixes everybody gets the API's error. */
function wantsPage(c: Context): boolean {
  return asksForPage(c) && !API_PATH.test(c.req.path);
}

/** Other APIs' paths, or their last parts, and the routes here that do the same. */
const NAMES_ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ["/embed", "/v1/models/{owner}/{name}/embed"],
  ["embed", "/v1/embeddings"],
  ["embed_all", "/v1/embeddings"],
  ["embedding", "/v1/embeddings"],
  ["embedcontent", "/v1beta/models/{owner}/{name}:embedContent"],
  ["batchembedcontents", "/v1beta/models/{owner}/{name}:batchEmbedContents"],
  ["rank", "/v1/rerank"],
  ["ranking", "/v1/rerank"],
  ["tokens", "/v1/tokenize"],
]);

/** The suggested route, as the document writes it. The caller's path is never repeated: it may hold anything. */
function hintFor(path: string, routes: readonly KnownRoute[]): string | undefined {
  const parts = path.split("/").filter((part) => part !== "");
  const known = NAMES_ELSEWHERE.get(path) ?? NAMES_ELSEWHERE.get(parts.at(-1)?.replace(/^.*:/, "").toLowerCase() ?? "");
  // Only as many parts as the longest route has: joining every end of a path of thousands of parts takes quadratic
  // time.
  const end = parts.slice(-Math.max(...routes.map((route) => route.path.split("/").length)));
  const behind = end.map((_, index) => `/v1/${end.slice(index).join("/")}`);
  const found = behind
    .map((own) => routes.find(({ pattern }) => pattern.test(own)))
    .find((route) => route !== undefined);
  // /v1/v1/embedings
  const plain = path.startsWith("/v1/v1/") ? path.slice("/v1".length) : path;
  const near = found?.path ?? nearest(plain, [...new Set(routes.map((one) => one.path))]);
  return known ?? (near === undefined ? undefined : shownPath(near));
}
