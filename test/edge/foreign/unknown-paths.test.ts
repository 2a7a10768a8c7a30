// What is not served is refused in the form of the vendor whose client asks for it: no client reads another's.

import { beforeAll, expect, test } from "vitest";
import { ROUTES } from "../../../edge/routes/table.ts";
import { vendorAt } from "../../../edge/routes/foreign/vendors.ts";
import { Api } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";

const api = new Api();
let key: string;

beforeAll(async () => {
  ({ key } = await api.newAccount());
});

const text = expect.stringContaining("/docs/errors#");
/** The whole body of an error: a fault with `status`, `code` and the status that Google gives it. */
const FORMS = {
  own: (_status: number, code: string) => ({
    error: { message: text, type: expect.any(String), param: null, code },
  }),
  ollama: (_status: number, code: string) => ({ error: text, code, param: null }),
  cohere: (_status: number, code: string) => ({ message: text, code, param: null }),
  tei: (_status: number, code: string) => ({ error: text, error_type: code, param: null }),
  gemini: (status: number, code: string, google: string) => ({
    error: {
      code: status,
      message: text,
      status: google,
      details: [
        { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: code, domain: "gigarouter", metadata: {} },
      ],
    },
  }),
} as const;

test.each([
  ["/api/show", "ollama"],
  ["/api/", "ollama"],
  ["/api/v1/embeddings", "own"],
  ["/v2/chat", "cohere"],
  ["/v2/nothing/at/all", "cohere"],
  ["/v1beta/models/gemini-embedding-001:embedContent", "gemini"],
  [`/v1beta/models/${MODEL}:generateContent`, "gemini"],
  ["/v1beta/openai/embeddings", "own"],
  [`/v1/models/${MODEL}/predict`, "tei"],
  [`/v1/models/${MODEL}:query/embed_all`, "tei"],
  ["/embed", "tei"],
  ["/v1/embed", "own"],
  ["/apis", "own"],
] as const)("POST of the unknown path %s is refused in the form: %s", async (path, form) => {
  const answer = await api.call(path, { method: "POST", key, body: {} });
  expect(answer.status).toBe(404);
  expect(answer.body).toEqual(FORMS[form](404, "route_not_found", "NOT_FOUND"));
});

test.each([
  ["/api/embed", "ollama"],
  ["/v2/embed", "cohere"],
  ["/v2/rerank", "own"],
  [`/v1beta/models/${MODEL}:embedContent`, "gemini"],
  [`/v1/models/${MODEL}:embedContent`, "gemini"],
  // These match `/v1/models/{owner}/{name}`, which takes GET.
  [`/v1/models/${MODEL}:countTokens`, "gemini"],
  ["/v1/models/gemini-embedding-001:embedContent", "gemini"],
  [`/v1/models/${MODEL}/embed`, "tei"],
  [`/v1/models/${MODEL}/canaries`, "own"],
  [`/v1/models/${MODEL}:query`, "own"],
] as const)("PUT of %s, which the route lacks, is refused in the form: %s", async (path, form) => {
  const answer = await api.call(path, { method: "PUT", key, body: {} });
  expect(answer.status).toBe(405);
  expect(answer.headers.get("allow")).toMatch(/POST|GET/);
  expect(answer.body).toEqual(FORMS[form](405, "method_not_allowed", "UNIMPLEMENTED"));
});

test("every route is where its vendor's are", () => {
  for (const { path, vendor } of ROUTES) expect([path, vendorAt(path)]).toEqual([path, vendor]);
});
