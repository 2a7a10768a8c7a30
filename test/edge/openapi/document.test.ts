// The document holds together, and its own examples fit its schemas.
import { describe, expect, test } from "vitest";
import { openApiDocument } from "../../../edge/openapi/document.ts";
import { ROUTES } from "../../../edge/routes/table.ts";
import { ERRORS } from "../../../shared/errors.ts";
import { OpenApiCheck } from "../../support/openapi-check.ts";

const document = openApiDocument("https://api.test", ROUTES);
const check = new OpenApiCheck(document);

describe("the document", () => {
  test("names each operation once, and no error code that only logs have", () => {
    const ids = ROUTES.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(JSON.stringify(document.paths)).not.toContain("client_closed_request");
  });

  test("names every error code of the table somewhere", () => {
    const text = JSON.stringify(document.paths);
    // Methods that no operation has, a client that had gone, routes of pages alone.
    const nowhere = new Set(["method_not_allowed", "client_closed_request", "cross_origin_refused"]);
    const missing = Object.keys(ERRORS).filter((code) => !nowhere.has(code) && !text.includes(`"${code}"`));
    expect(missing).toEqual([]);
  });

  test("resolves all its references", () => {
    const names = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(
      ([, name]) => name,
    );
    expect(names.filter((name) => !Object.hasOwn(document.components.schemas, name ?? ""))).toEqual([]);
    expect(JSON.stringify(document).match(/"\$ref":"(?!#\/components\/schemas\/)/)).toBeNull();
  });
});

describe("an example", () => {
  const requests = ROUTES.flatMap(({ id, body }) => (body === undefined ? [] : [[id, body] as const]));
  test.each(requests)("of a request to %s fits its schema", (_, { name, example, mediaType }) => {
    if (mediaType === undefined) {
      expect(check.schemaFault(example, { $ref: `#/components/schemas/${name}` })).toBeUndefined();
    }
  });

  const answers = ROUTES.flatMap(({ id, answers: byStatus }) =>
    Object.entries(byStatus).flatMap(([status, answer]) =>
      answer.name === undefined ? [] : [[status, id, answer] as const],
    ),
  );
  test.each(answers)("of a %s of %s fits its schema", (_, __, { name, example }) => {
    expect(check.schemaFault(example, { $ref: `#/components/schemas/${name ?? ""}` })).toBeUndefined();
  });
});

describe("the check", () => {
  const seen = {
    method: "GET",
    path: "/health",
    status: 200,
    contentType: "application/json",
    text: '{"status":"ok","version":null}',
  };

  test("accepts what is documented, and pages that are not", () => {
    expect(check.fault(seen)).toBeUndefined();
    expect(check.fault({ ...seen, path: "/docs", contentType: "text/html", text: "<html>" })).toBeUndefined();
  });

  test.each([
    ["status", { status: 302 }],
    ["media type", { contentType: "text/html" }],
    ["field", { text: '{"status":"ok","version":null,"more":1}' }],
    ["value", { text: '{"status":"fine"}' }],
    [
      "error code",
      { status: 500, text: '{"error":{"message":"","type":"server_error","param":null,"code":"overloaded"}}' },
    ],
    [
      "error without a field",
      { status: 500, text: '{"error":{"message":"","type":"server_error","code":"internal_error"}}' },
    ],
  ])("finds an undocumented %s", (_, change) => {
    expect(check.fault({ ...seen, ...change })).toContain("GET /health");
  });
});
