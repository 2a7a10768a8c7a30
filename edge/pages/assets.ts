// The files that pages load, from the Worker's ASSETS binding: a flat folder made by scripts/dev-server/page-assets.ts,
// whose manifest names each file by its content. So everything under /assets/ may be cached for ever, and a page never
// gets another deployment's script.

import * as z from "zod";
import type { Env } from "../bindings.ts";
import type { Context } from "../context.ts";
import { must } from "../../shared/assert.ts";
import { apiError } from "../../shared/errors.ts";

/** Name in the sources (`site.css`) to file (`site.0123456789abcdef.css`). */
type Manifest = Readonly<Record<string, string>>;

const manifestSchema = z.record(z.string(), z.string());
// The binding takes a URL and looks only at its path.
const ASSETS_ORIGIN = "https://assets.invalid";
const TYPES: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
  png: "image/png",
  ico: "image/x-icon",
  woff2: "font/woff2",
};

let manifest: Promise<Manifest> | undefined;

/** The URL path of asset `name` of the sources. An unknown name is our mistake: AssertionError. */
export async function assetUrl(env: Env, name: string): Promise<string> {
  return `/assets/${must((await manifestOf(env))[name], `an asset called ${name}`)}`;
}

/** GET /assets/{file}: only what the manifest lists. */
export async function getAsset(c: Context): Promise<Response> {
  const file = c.req.param("file") ?? "";
  const known = Object.values(await manifestOf(c.env)).includes(file);
  const response = known ? await c.env.ASSETS.fetch(`${ASSETS_ORIGIN}/${file}`) : undefined;
  if (response?.status !== 200) throw apiError("route_not_found", "No such file.");
  return new Response(response.body, {
    headers: {
      "content-type": TYPES[file.slice(file.lastIndexOf(".") + 1)] ?? "application/octet-stream",
      "cache-control": "public, max-age=31536000, immutable",
      "x-content-type-options": "nosniff",
      "cross-origin-resource-policy": "same-origin",
    },
  });
}

/** Read once per isolate; a failure is not remembered. */
function manifestOf(env: Env): Promise<Manifest> {
  manifest ??= readManifest(env).catch((error: unknown) => {
    manifest = undefined;
    throw error;
  });
  return manifest;
}

async function readManifest(env: Env): Promise<Manifest> {
  const response = await env.ASSETS.fetch(`${ASSETS_ORIGIN}/manifest.json`);
  if (!response.ok) throw new Error(`the pages' manifest answered ${response.status}`);
  return manifestSchema.parse(await response.json());
}

/** The text of asset `name` of the sources. An unknown name is our mistake: AssertionError. */
export async function readAsset(env: Env, name: string): Promise<string> {
  const file = must((await manifestOf(env))[name], `an asset called ${name}`);
  const response = await env.ASSETS.fetch(`${ASSETS_ORIGIN}/${file}`);
  if (!response.ok) throw new Error(`the asset ${name} answered ${response.status}`);
  return response.text();
}
