// Paths, methods and media types: what is common to all routes.
import { beforeAll, describe, expect, test } from "vitest";
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

describe("an unknown path", () => {
  test.each([
    ["/v1/v1/embeddings", "/v1/embeddings"],
    ["/v1/v1/models/owner/name", "/v1/models/{owner}/{name}"],
    ["/v1/v1/embedings", "/v1/embeddings"],
    ["/v1/embedding", "/v1/embeddings"],
    ["/v1/tokenise", "/v1/tokenize"],
    ["/healthz", "/health"],
  ])("%s gets %s named", async (path, near) => {
    const answer = await api.call(path, { method: "POST", key, body: {} });
    expect(answer.status).toBe(404);
    expect(errorOf(answer)).toMatchObject({ code: "route_not_found" });
    expect(errorOf(answer).message).toContain(`Did you mean \`${near}\`?`);
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
    for (const path of ["/v1/models", "/v1/nothing", "/embeddings"]) {
      const answer = await api.call(path, { headers: { origin: "https://example.com" } });
      expect(answer.headers.get("access-control-allow-origin")).toBe("*");
      expect(answer.headers.get("access-control-expose-headers")).toContain("x-credit-remaining-usd");
    }
  });

  test("answers a preflight without a key", async () => {
    const headers = {
      origin: "https://example.com",
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization, x-tier",
    };
    const answer = await api.call("/v1/embeddings", { method: "OPTIONS", headers });
    expect(answer.status).toBe(204);
    expect(answer.headers.get("access-control-allow-headers")).toBe("authorization, x-tier");
  });

  test("is not on other routes", async () => {
    for (const path of ["/health", "/v2/rerank", "/admin/accounts"]) {
      expect((await api.call(path)).headers.get("access-control-allow-origin")).toBeNull();
    }
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
