// The OpenAPI 3.1 document, made of the operations and the zod schemas that validate requests. Made once per isolate,
// on demand. Our own assembly takes 36 KB gzipped, the nearest package 111.

import * as z from "zod";
import { ERRORS } from "../../shared/errors.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import type { Answer, Body, JsonSchema, Operation, Parameter } from "./operation.ts";
import { BODY_ERRORS, COMMON_ERRORS, KEY_ERRORS, OPERATOR_ERRORS, SHOWN_KEY_ERRORS, TAGS } from "./operation.ts";

const JSON_TYPE = "application/json";
const VERSION = "1";
const REF = "#/components/schemas/";

const SECURITY: Readonly<Record<Operation["auth"], readonly JsonSchema[]>> = {
  key: [{ key: [] }],
  call: [{ key: [] }],
  optional: [{}, { key: [] }],
  operator: [{ operator: [] }],
  none: [],
};

interface OpenApiDocument {
  readonly openapi: "3.1.0";
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>>; readonly [kind: string]: unknown };
  readonly paths: Readonly<Record<string, Readonly<Record<string, JsonSchema>>>>;
  readonly [field: string]: unknown;
}

/** The document of `operations`, in their order, for a deployment at `origin`. */
export function openApiDocument(origin: string, operations: readonly Operation[]): OpenApiDocument {
  return {
    openapi: "3.1.0",
    info: {
      title: "gigarouter embeddings",
      version: VERSION,
      description: `An OpenAI-compatible, prepaid embedding API. Every error has one shape; its \`code\` has a section at ${origin}/docs/errors.`,
    },
    servers: [{ url: origin }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths: pathsOf(operations),
    components: {
      schemas: componentsOf(operations),
      securitySchemes: {
        key: { type: "http", scheme: "bearer", description: "An API key, `gr-…`." },
        operator: { type: "http", scheme: "bearer", description: "The operator's key." },
      },
    },
  };
}

/** Every error code that `operation` may answer with. */
export function errorCodesOf(operation: Operation): readonly ErrorCode[] {
  const { body, parameters } = operation;
  const own: readonly ErrorCode[] = [
    ...(operation.errors ?? []),
    ...(body === undefined ? [] : (body.errors ?? BODY_ERRORS)),
    ...(parameters ?? []).flatMap(({ errors }) => errors ?? []),
    ...COMMON_ERRORS,
    ...(operation.auth === "key" || operation.auth === "call" ? KEY_ERRORS : []),
    ...(operation.auth === "optional" ? SHOWN_KEY_ERRORS : []),
    ...(operation.auth === "operator" ? OPERATOR_ERRORS : []),
  ];
  return [...new Set(own)];
}

function pathsOf(operations: readonly Operation[]): OpenApiDocument["paths"] {
  const paths: Record<string, Record<string, JsonSchema>> = {};
  for (const operation of operations) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: operationOf(operation) };
  }
  return paths;
}

function operationOf(operation: Operation): JsonSchema {
  const { id, tag, summary, description, auth, parameters, body } = operation;
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    security: SECURITY[auth],
    ...(parameters === undefined ? {} : { parameters: parameters.map(parameterOf) }),
    ...(body === undefined ? {} : { requestBody: requestBodyOf(body) }),
    responses: {
      ...Object.fromEntries(Object.entries(operation.answers).map(([status, answer]) => [status, answerOf(answer)])),
      ...errorAnswersOf(operation),
    },
  };
}

function parameterOf(parameter: Parameter): JsonSchema {
  const { errors: _errors, ...described } = parameter;
  return { ...described, ...(parameter.in === "path" ? { required: true } : {}) };
}

function requestBodyOf({ name, example, mediaType = JSON_TYPE, lines }: Body): JsonSchema {
  const content = { [mediaType]: { schema: { $ref: REF + name }, example } };
  if (lines === undefined) return { required: true, content };
  return {
    required: true,
    content: { ...content, [lines.mediaType]: { schema: lines.schema, example: lines.example } },
  };
}

function answerOf({ description, name, example, mediaType, alternative, headers }: Answer): JsonSchema {
  const json = name === undefined ? {} : { [mediaType ?? JSON_TYPE]: { schema: { $ref: REF + name }, example } };
  const other = name === undefined ? mediaType : alternative;
  const content = { ...json, ...(other === undefined ? {} : { [other]: { schema: { type: "string" } } }) };
  return {
    description,
    ...(headers === undefined ? {} : { headers }),
    ...(Object.keys(content).length === 0 ? {} : { content }),
  };
}

/** One answer for each status, with the codes that it may have. */
function errorAnswersOf(operation: Operation): Record<string, JsonSchema> {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of errorCodesOf(operation)) {
    const { status } = ERRORS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      status,
      {
        description: codes.map((code) => `\`${code}\``).join(", "),
        content: { [JSON_TYPE]: { schema: errorSchemaOf(operation, codes) } },
      },
    ]),
  );
}

function errorSchemaOf({ vendor }: Operation, codes: readonly ErrorCode[]): JsonSchema {
  if (vendor !== undefined) return { $ref: REF + vendor.errorName };
  return { allOf: [{ $ref: `${REF}Error` }], properties: { error: { properties: { code: { enum: codes } } } } };
}

const ERROR: JsonSchema = {
  type: "object",
  required: ["error"],
  additionalProperties: false,
  properties: {
    error: {
      type: "object",
      required: ["message", "type", "param", "code"],
      additionalProperties: false,
      properties: {
        message: { type: "string", description: "What was wrong, where, and what would be right." },
        type: { enum: [...new Set(Object.values(ERRORS).map(({ type }) => type))] },
        param: { type: ["string", "null"], description: "The field, item, header or parameter at fault." },
        code: { enum: Object.keys(ERRORS) },
        retry_after_s: { type: "integer", minimum: 1, maximum: 60 },
      },
    },
  },
};

function componentsOf(operations: readonly Operation[]): Record<string, JsonSchema> {
  const schemas: Record<string, JsonSchema> = { Error: ERROR };
  const answers = z.registry<{ id: string }>();
  for (const operation of operations) {
    const { body, vendor } = operation;
    if (vendor !== undefined) schemas[vendor.errorName] = vendor.errorSchema;
    if (body !== undefined) schemas[body.name] = requestSchema(body);
    for (const { name, schema } of Object.values(operation.answers)) {
      if (name !== undefined && schema !== undefined && answers.get(schema) === undefined)
        answers.add(schema, { id: name });
    }
  }
  const made = z.toJSONSchema(answers, { io: "output", uri: (id) => REF + id });
  for (const [name, schema] of Object.entries(made.schemas)) schemas[name] = withoutDialect(schema);
  return schemas;
}

/** The schema for callers: an optional field may be null, which means absent. */
export function requestSchema({ schema, required, rules }: Body): JsonSchema {
  const made = withoutDialect(z.toJSONSchema(schema, { io: "input", unrepresentable: "any", override: withoutFormat }));
  if (made["type"] !== "object") return { ...made, ...rules };
  const needed = new Set([...(made.required ?? []), ...(required ?? [])]);
  const properties = Object.fromEntries(
    Object.entries(made.properties ?? {}).map(([name, property]) => [
      name,
      needed.has(name) || property === true || isAny(property) ? property : { anyOf: [property, { type: "null" }] },
    ]),
  );
  // Null means absent for every name.
  const others = made.additionalProperties === false ? { additionalProperties: { type: "null" } } : {};
  return { ...made, ...others, properties, ...(needed.size === 0 ? {} : { required: [...needed] }), ...rules };
}

/** Drops `format`: zod's pattern says what is accepted, and a reader may take the format for something else. */
function withoutFormat({ jsonSchema }: { jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  if (jsonSchema.pattern !== undefined) delete jsonSchema.format;
}

/** Whether a schema allows any value, null included. */
function isAny(property: unknown): boolean {
  return (
    typeof property === "object" && property !== null && Object.keys(property).every((key) => key === "description")
  );
}

function withoutDialect(schema: z.core.JSONSchema.BaseSchema): z.core.JSONSchema.BaseSchema {
  const { $schema: _, $id: __, ...rest } = schema;
  return rest;
}
