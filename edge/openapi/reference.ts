// The reference as Markdown: every route with its fields, answers and errors as Markdown, from the operations that the OpenAPI document is
// made of. `#/components/…` do not exist here: each route says all of its own.

import * as z from "zod";
import { errorCodesOf, requestSchema } from "./document.ts";
import type { Answer, Body, Operation, Parameter } from "./operation.ts";
import { COMMON_ERRORS, KEY_ERRORS, TAGS } from "./operation.ts";

/** What is read of a JSON schema. */
interface Shape {
  readonly description?: string | undefined;
  readonly const?: unknown;
  readonly enum?: readonly unknown[] | undefined;
  readonly type?: string | readonly string[] | undefined;
  readonly required?: readonly string[] | undefined;
  readonly properties?: Readonly<Record<string, Shape>> | undefined;
  readonly items?: Shape | undefined;
  readonly anyOf?: readonly Shape[] | undefined;
}

const shapeSchema: z.ZodType<Shape> = z.object({
  description: z.string().optional(),
  const: z.unknown().optional(),
  enum: z.array(z.unknown()).optional(),
  type: z.union([z.string(), z.array(z.string())]).optional(),
  required: z.array(z.string()).optional(),
  properties: z.lazy(() => z.record(z.string(), fieldSchema)).optional(),
  items: z.lazy(() => fieldSchema).optional(),
  anyOf: z.lazy(() => z.array(fieldSchema)).optional(),
});
/** JSON Schema writes `true` for anything. */
const fieldSchema: z.ZodType<Shape> = z.union([z.literal(true).transform((): Shape => ({})), shapeSchema]);

const ACCESS: Readonly<Record<Operation["auth"], string>> = {
  none: "No key.",
  optional: "No key is needed; one that is sent must be in force.",
  key: "An API key.",
  call: "An API key.",
  operator: "The operator's key.",
};

/** Errors that are said once, not at each route. */
const EVERYWHERE: readonly string[] = [...COMMON_ERRORS, ...KEY_ERRORS];

/** The reference of `operations`, by their tags, for a deployment at `origin`. */
export function referenceText(origin: string, operations: readonly Operation[]): string {
  const sections = Object.entries(TAGS).flatMap(([tag, about]) => [
    `## ${tag}`,
    about,
    ...operations.filter((operation) => operation.tag === tag).map((operation) => routeText(operation, operations)),
  ]);
  const intro = `Base URL \`${origin}\`. A key is sent as \`Authorization: Bearer gr-…\`. Bodies are JSON unless told otherwise, and \`null\`
means absent. Errors are \`{"error": {"message", "type", "param", "code"}}\`: ${origin}/docs/errors.md has each code. Besides
those of a route there are ${codesText(EVERYWHERE)}.`;
  return `${["# API reference", intro, ...sections].join("\n\n")}\n`;
}

function routeText(operation: Operation, operations: readonly Operation[]): string {
  const { method, path, summary, description, auth, parameters = [], body, answers } = operation;
  const title = `### ${method.toUpperCase()} ${path}`;
  const first = operations.find((one) => one.body === body && one.answers === answers);
  if (first !== undefined && first !== operation)
    return `${title}\n\n${summary}: see ${first.method.toUpperCase()} ${first.path}.`;
  const codes = errorCodesOf(operation).filter((code) => !EVERYWHERE.includes(code));
  return [
    title,
    [`${summary}.`, description, ACCESS[auth]].filter((words) => words !== undefined).join(" "),
    ...(parameters.length === 0 ? [] : listText("Parameters:", parameters.map(parameterText))),
    ...(body === undefined ? [] : bodyText(body)),
    ...Object.entries(answers).flatMap(([status, answer]) => answerText(status, answer)),
    ...(codes.length === 0 ? [] : [`Errors: ${codesText(codes)}.`]),
  ].join("\n\n");
}

const codesText = (codes: readonly string[]): string => codes.map((code) => `\`${code}\``).join(", ");

function parameterText({ name, in: place, description, schema, required }: Parameter): string {
  const needed = required === true || place === "path" ? ", required" : "";
  return `- \`${name}\` (${place}, ${typeOf(shapeSchema.parse(schema))}${needed}): ${description}`;
}

function bodyText(body: Body): readonly string[] {
  const schema = shapeSchema.parse(requestSchema(body));
  const needed = new Set(schema.required);
  const fields = fieldsOf(schema).map(([name, field]) => {
    const about = descriptionOf(field);
    return `- \`${name}\` (${typeOf(field)}${needed.has(name) ? ", required" : ""})${about === undefined ? "" : `: ${about}`}`;
  });
  const type = body.mediaType === undefined ? "" : ` (${body.mediaType})`;
  return [...listText(`Body${type}:`, fields), ...exampleText(body.example)];
}

function answerText(
  status: string,
  { description, schema, example, mediaType, alternative }: Answer,
): readonly string[] {
  const other = [schema === undefined ? mediaType : undefined, alternative].filter((type) => type !== undefined);
  const made = schema === undefined ? {} : shapeSchema.parse(z.toJSONSchema(schema, { io: "output" }));
  const title = `${status}: ${description}${other.length === 0 ? "" : ` (${other.join(", ")})`}`;
  return [...listText(title, explained(made, "")), ...exampleText(example)];
}

/** The fields of an answer that need words, however deep: the example shows all. */
function explained(schema: Shape, path: string): readonly string[] {
  return fieldsOf(schema).flatMap(([name, field]) => {
    const place = path === "" ? name : `${path}.${name}`;
    const about = descriptionOf(field);
    const inner = [field, ...branchesOf(field)].flatMap((one) => [
      ...explained(one, place),
      ...(one.items === undefined ? [] : explained(one.items, `${place}[]`)),
    ]);
    return about === undefined ? inner : [`- \`${place}\`: ${about}`, ...inner];
  });
}

/** A title and its list, each item once. */
function listText(title: string, items: readonly string[]): readonly string[] {
  return items.length === 0 ? [title] : [title, [...new Set(items)].join("\n")];
}

function exampleText(value: unknown): readonly string[] {
  return value === undefined ? [] : [`\`\`\`json\n${JSON.stringify(value)}\n\`\`\``];
}

const fieldsOf = ({ properties }: Shape): readonly (readonly [string, Shape])[] => Object.entries(properties ?? {});

/** The forms that a value may have, without null: a field that is null is absent. */
function branchesOf({ anyOf = [] }: Shape): readonly Shape[] {
  return anyOf.filter(({ type }) => type !== "null");
}

function descriptionOf(schema: Shape): string | undefined {
  const [only, second] = branchesOf(schema);
  return schema.description ?? (second === undefined ? only?.description : undefined);
}

/** The words for a value's type: `integer`, `"a" or "b"`, `array of string`. */
function typeOf(schema: Shape): string {
  const { const: only, enum: values, type = "any", items } = schema;
  const allowed = only === undefined ? values : [only];
  if (allowed !== undefined) return allowed.map((value) => JSON.stringify(value)).join(" or ");
  const branches = branchesOf(schema);
  if (branches.length > 0) return [...new Set(branches.map(typeOf))].join(" or ");
  if (type === "array") return items === undefined ? "array" : `array of ${typeOf(items)}`;
  return [type].flat().join(" or ");
}
