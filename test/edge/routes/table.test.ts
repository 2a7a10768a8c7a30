// The two tables are all that is mounted: a route that is not documented, and is no page, cannot exist.
import { expect, test } from "vitest";
import { createApp } from "../../../edge/app.ts";
import { PAGES } from "../../../edge/routes/pages.ts";
import { ROUTES } from "../../../edge/routes/table.ts";

const honoName = ({ method, path }: { readonly method: string; readonly path: string }): string =>
  `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}(:\w+)/g, ":$1{[^/]+$2}").replaceAll(/\{(\w+)\}/g, ":$1")}`;

test("what is mounted is a route or a page", () => {
  const mounted = createApp().routes.map(({ method, path }) => `${method} ${path}`);
  // Middleware, which is mounted for all methods.
  const prefixes = ["/*", "/v1/*", "/v2/*", "/embeddings", "/mcp", "/api/*", "/v1beta/*"];
  const shared = PAGES.filter(({ program }) => program !== undefined).map(({ path }) => path);
  const middleware = [...prefixes, ...shared].map((path) => honoName({ method: "all", path }));
  const listed = [...ROUTES, ...PAGES].map(honoName);
  expect([...new Set(mounted)].toSorted()).toEqual([...middleware, ...listed].toSorted());
});

test("no page stands where the API's routes do", () => {
  const api =
    /^\/(?:v\d+(?:beta)?|api|admin|embeddings|account|health|ready|metrics)\b|\.json$|^\/llms(?:-full)?\.txt$/;
  expect(PAGES.filter(({ path }) => api.test(path))).toEqual([]);
  expect(ROUTES.filter(({ path }) => !api.test(path))).toEqual([]);
});

test("a route has every parameter of its path described, and no other", () => {
  for (const { path, parameters = [] } of ROUTES) {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    expect(parameters.filter((parameter) => parameter.in === "path").map(({ name }) => name)).toEqual(inPath);
  }
});
