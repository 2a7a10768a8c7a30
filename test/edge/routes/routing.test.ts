// Paths, methods and media types: what is common to all routes.
import { beforeAll, describe, expect, test } from "vitest";
import { forgetServices } from "../../../edge/services.ts";
import { openAccount, stubOf } from "../account/support.ts";
import { Api } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";

const api = new Api();
let key: string;

beforeAll(async () => {
  ({ key } = await api.newAccount());
});

const errorOf = (answer: { readonly body: Record<string, unknown> }) =>
  answer.body["error"] as { readonly code: string; readonly message: string };

describe("a model", () => {
  test("what no backend promises of its arithmetic is null, and not on the page", async () => {
    expect((await api.call(`/v1/models/${MODEL}`)).body).toMatchObject({
      reproducible: null,
      float32_distance_max: null,
    });
    const page = await api.call(`/models/${MODEL}`, { headers: { accept: "text/html" } });
    expect(page.text).toContain("Specifications");
    expect(page.text).not.toContain("of float32");
    expect(page.text).not.toContain("exact arithmetic");
  });

  test.each([`/v1/models/${MODEL}`, "/v1/models/owner%2Fmodel", "/v1/models/model", `/v1/models/${MODEL}/`])(
    "is found at %s",
    async (path) => {
      expect((await api.call(path)).body).toMatchObject({ id: MODEL, object: "model", owned_by: "owner" });
    },
  );

  test("that is unknown is a 404 that names the near one", async () => {
    const answer = await api.call("/v1/models/owner/modle");
    expect(answer.status).toBe(404);
    expect(errorOf(answer)).toMatchObject({ code: "model_not_found" });
    expect(errorOf(answer).message).toContain(MODEL);
  });
});

const PAGE = { accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" };

describe("an address without /v1 that is also a page", () => {
  test.each([{}, { accept: "*/*" }, { accept: "application/json" }, { accept: "application/json, text/plain, */*" }])(
    "gives a program the API's answer (%j)",
    async (headers) => {
      for (const path of ["/models", `/models/${MODEL}`, "/models/model", "/models/owner%2Fmodel", "/models/"]) {
        const [bare, full] = [await api.call(path, { headers }), await api.call(`/v1${path}`, { headers })];
        expect(bare.status).toBe(200);
        expect(bare.body).toEqual(full.body);
        expect(bare.headers.get("content-type")).toBe(full.headers.get("content-type"));
        expect(bare.headers.get("vary")).toContain("Accept");
      }
      const unknown = await api.call("/models/owner/modle", { headers });
      expect(unknown).toMatchObject({ status: 404, body: { error: { code: "model_not_found" } } });
      const wrong = await api.call("/models", { headers, key: "gr-wrong" });
      expect(wrong).toMatchObject({ status: 401, body: { error: { code: "invalid_api_key" } } });
    },
  );

  test("gives a browser the page", async () => {
    for (const path of ["/models", `/models/${MODEL}`]) {
      const page = await api.call(path, { headers: PAGE });
      expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
      expect(page.headers.get("vary")).toContain("Accept");
    }
    const found = await api.call("/models/model", { headers: PAGE });
    expect([found.status, found.headers.get("location")]).toEqual([302, `/models/${MODEL}`]);
    expect((await api.call("/models/nothing", { headers: PAGE })).status).toBe(404);
  });
});

describe("the catalogue", () => {
  const paths = ["/v1/models", `/v1/models/${MODEL}`, "/v1/models/model"];

  test("is public, also to a client whose key is empty", async () => {
    for (const authorization of ["", "Bearer", "Bearer "]) {
      for (const path of paths) expect((await api.call(path, { headers: { authorization } })).status).toBe(200);
    }
  });

  test("tells a client that shows a wrong key", async () => {
    const { id: accountId, created } = await openAccount(0);
    const wrong = [
      { authorization: "Bearer gr-wrong" },
      { authorization: "Bearer sk-other" },
      { authorization: `Bearer ${created.key.slice(0, -1)}` },
      { authorization: "Basic Z3I6" },
      { "api-key": "gr-wrong" },
      { "x-api-key": "gr-wrong" },
    ];
    for (const headers of wrong) {
      for (const path of paths) {
        const answer = await api.call(path, { headers });
        expect(answer).toMatchObject({ status: 401, body: { error: { type: "authentication_error" } } });
      }
    }
    const right = await api.call("/v1/models", { key: created.key });
    expect([right.status, right.headers.get("cache-control")]).toEqual([200, "no-store"]);
    await stubOf(accountId).revokeKey(created.id, "test");
    forgetServices(); // another isolate: in this one the key's lease still lives
    expect(await api.call("/v1/models", { key: created.key })).toMatchObject({ status: 401 });
  });

  test("is not kept from an account over its limits", async () => {
    const { id, key: limited } = await api.newAccount();
    await api.admin(`/admin/accounts/${id}`, { limits: { requests_per_minute: 1 } }, "PATCH");
    for (let times = 0; times < 4; times += 1) {
      expect((await api.call("/v1/models", { key: limited })).status).toBe(200);
    }
  });
});

describe("an unknown path", () => {
  test.each([
    ["/v1/v1/embeddings", "/v1/embeddings"],
    ["/v1/v1/models/owner/name", "/v1/models/{owner}/{name}"],
    ["/v1/v1/embedings", "/v1/embeddings"],
    ["/v1/embedding", "/v1/embeddings"],
    ["/v1/tokenise", "/v1/tokenize"],
    ["/healthz", "/health"],
    // A base URL without /v1, and what clients of other APIs ask for.
    ["/files", "/v1/files"],
    ["/batches", "/v1/batches"],
    ["/rerank", "/v1/rerank"],
    ["/similarity", "/v1/similarity"],
    ["/keys/abc/rotate", "/v1/keys/{id}/rotate"],
    ["/api/v1/embeddings", "/v1/embeddings"],
    ["/v1/embed", "/v1/embeddings"],
    ["/v1beta/openai/embeddings", "/v1/embeddings"],
    ["/openai/deployments/x/embeddings?api-version=2024-10-21", "/v1/embeddings"],
    ["/openai/v1/embeddings", "/v1/embeddings"],
    ["/v1/engines/x/embeddings", "/v1/embeddings"],
    ["/v1/ranking", "/v1/rerank"],
  ])("%s gets %s named", async (path, near) => {
    const answer = await api.call(path, { method: "POST", key, body: {} });
    expect(answer.status).toBe(404);
    expect(errorOf(answer)).toMatchObject({ code: "route_not_found" });
    expect(errorOf(answer).message).toContain(`Did you mean \`${near}\`?`);
  });

  test.each([
    ["/embed", "/v1/models/{owner}/{name}/embed"],
    ["/api/embedding", "/v1/embeddings"],
    ["/v1beta/models/x:embedContent", "/v1beta/models/{owner}/{name}:embedContent"],
    ["/v1beta/models/x:batchEmbedContents", "/v1beta/models/{owner}/{name}:batchEmbedContents"],
  ])("%s, which clients of other vendors call, gets %s named, in their form", async (path, near) => {
    const answer = await api.call(path, { method: "POST", key, body: {} });
    expect(answer.status).toBe(404);
    expect(answer.text).toContain(`Did you mean \`${near}\`?`);
  });

  test("is never repeated", async () => {
    for (const path of ["/v1/v1/needle-a", "/v1/keys/needle-b/rotat", "/needle-c"]) {
      expect((await api.call(path, { key })).text).not.toContain("needle");
    }
  });

  test("that is near none is sent to the document", async () => {
    expect(errorOf(await api.call("/something/else/entirely")).message).toContain("/v1/openapi.json");
  });
});

describe("a method", () => {
  test.each([
    ["GET", "/v1/embeddings", "POST"],
    ["PUT", "/v1/models", "GET, HEAD"],
    ["DELETE", "/health", "GET, HEAD"],
    ["POST", "/v1/keys/key_1", "DELETE, GET, HEAD, PATCH"],
    ["PUT", `/v1/models/${MODEL}`, "GET, HEAD"],
  ])("%s of %s that the route lacks is a 405 with Allow", async (method, path, allow) => {
    const answer = await api.call(path, { method, key });
    expect(answer.status).toBe(405);
    expect(answer.headers.get("allow")).toBe(allow);
    expect(errorOf(answer).code).toBe("method_not_allowed");
  });

  test.each(["/health", "/ready", "/v1/models", `/v1/models/${MODEL}`, "/v1/account", "/v1/key", "/v1/usage"])(
    "HEAD of %s is its GET without the body",
    async (path) => {
      const [head, get] = [await api.call(path, { method: "HEAD", key }), await api.call(path, { key })];
      expect(head.status).toBe(get.status);
      expect(head.text).toBe("");
      expect(head.headers.get("content-type")).toBe(get.headers.get("content-type"));
    },
  );
});

describe("the public API's CORS", () => {
  test("allows any origin, on errors too, and shows our headers", async () => {
    for (const path of [
      "/v1/models",
      "/v1/nothing",
      "/embeddings",
      "/v2/rerank",
      "/v2/nothing",
      "/models",
      "/models/x/y",
    ]) {
      const answer = await api.call(path, { headers: { origin: "https://example.com" } });
      expect(answer.headers.get("access-control-allow-origin")).toBe("*");
      expect(answer.headers.get("access-control-expose-headers")).toContain("x-credit-remaining-usd");
    }
  });

  test.each(["/v1/embeddings", "/v2/rerank", "/embeddings", "/models"])(
    "answers a preflight of %s without a key",
    async (path) => {
      const headers = {
        origin: "https://example.com",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, x-tier",
      };
      const answer = await api.call(path, { method: "OPTIONS", headers });
      expect(answer.status).toBe(204);
      expect(answer.headers.get("access-control-allow-headers")).toBe("authorization, x-tier");
    },
  );

  test("is not on other routes", async () => {
    for (const path of ["/health", "/admin/accounts", "/dashboard"]) {
      expect((await api.call(path)).headers.get("access-control-allow-origin")).toBeNull();
    }
    const page = await api.call("/models", { headers: PAGE });
    expect(page.headers.get("access-control-allow-origin")).toBeNull();
  });
});

describe("a body", () => {
  test.each([
    ["xml", { "content-type": "text/xml" }],
    ["a multipart form", { "content-type": "multipart/form-data; boundary=x" }],
    ["brotli", { "content-type": "application/json", "content-encoding": "br" }],
  ])("of %s is a 415", async (_, headers) => {
    const answer = await api.call("/v1/embeddings", { key, headers, body: "{}" });
    expect(answer.status).toBe(415);
    expect(errorOf(answer).code).toBe("unsupported_media_type");
  });

  test("is not read before the key is known to be one of ours", async () => {
    const answer = await api.call("/v1/embeddings", { key: "gr-nonsense", body: "not JSON" });
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toBe("Bearer");
  });

  test("that announces more than the limit is a 413", async () => {
    const headers = { "content-type": "application/json" };
    const answer = await api.call("/v1/embeddings", { key, headers, body: "x".repeat(8 * 1024 * 1024 + 1) });
    expect(answer.status).toBe(413);
    expect(errorOf(answer).code).toBe("body_too_large");
  });
});
