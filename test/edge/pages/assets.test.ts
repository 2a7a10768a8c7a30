// Files that pages load: found by name, cached for ever, nothing else of the folder served.
import { createExecutionContext, env } from "cloudflare:test";
import { expect, test } from "vitest";
import { createApp } from "../../../edge/app.ts";
import { assetUrl } from "../../../edge/pages/assets.ts";

const app = createApp();
const get = (path: string) => app.request(path, {}, env, createExecutionContext());

test("an asset is found under a name that its content makes, and may be kept for ever", async () => {
  const url = await assetUrl(env, "site.css");
  expect(url).toMatch(/^\/assets\/site\.[0-9a-f]{16}\.css$/);
  const response = await get(url);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/css; charset=utf-8");
  expect(response.headers.get("cache-control")).toContain("immutable");
  expect(await response.text()).toContain("color-scheme");
});

test("what the manifest does not list is not served", async () => {
  for (const path of ["manifest.json", "site.css", "..%2Fpackage.json", "site.0000000000000000.css"]) {
    expect((await get(`/assets/${path}`)).status).toBe(404);
  }
});
