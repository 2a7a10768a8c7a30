// A path that is remembered is answered as one that is looked up: by its own route, with its own parameters.

import { Hono } from "hono";
import { expect, it } from "vitest";
import { KnownPaths } from "../../../edge/routes/known-paths.ts";

function answers(app: Hono): (method: string, path: string) => Promise<string> {
  app.use("/v1/*", async (c, next) => {
    await next();
    c.header("x-passed", c.req.path);
  });
  app.post("/v1/embeddings", (c) => c.text("embeddings"));
  app.get("/v1/models/:id", (c) => c.text(`model ${c.req.param("id")}`));
  app.get("/v1/models/all", (c) => c.text("all models"));
  app.all("/:rest{.+}", (c) => c.text(`rest ${c.req.param("rest")}`));
  return async (method, path) => {
    const response = await app.request(path, { method });
    return `${response.status} ${await response.text()} ${response.headers.get("x-passed")}`;
  };
}

it("answers as hono's own router does, the first time and again", async () => {
  const known = answers(new Hono({ strict: false, router: new KnownPaths() }));
  const own = answers(new Hono({ strict: false }));
  const paths = ["/v1/embeddings", "/v1/embeddings/", "/v1/models/a", "/v1/models/b", "/v1/models/all", "/v1", "/a/b"];
  for (let time = 0; time < 3; time += 1) {
    for (const path of paths) {
      for (const method of ["POST", "GET", "HEAD"]) {
        expect(await known(method, path), `${method} ${path}`).toBe(await own(method, path));
      }
    }
  }
});
