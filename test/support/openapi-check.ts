// Checks answers against the published document: the route must list the status, the media type, a schema that fits the
// body, and the error code. Runs in Node and in workerd (no `new Function`).

import { Validator } from "@cfworker/json-schema";
import type { Schema } from "@cfworker/json-schema";

export interface SeenAnswer {
  readonly method: string;
  /** With or without a query. */
  readonly path: string;
  readonly status: number;
  readonly contentType: string | null;
  readonly text: string;
}

interface Content {
  readonly schema: Schema;
}
interface DocumentedAnswer {
  readonly content?: Readonly<Record<string, Content>>;
}
interface DocumentedOperation {
  readonly responses: Readonly<Record<string, DocumentedAnswer>>;
  readonly requestBody?: { readonly content: Readonly<Record<string, Content>> };
}
export interface PublishedDocument {
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** A body above this is a test of size, not of shape. */
const TEXT_LENGTH_MAX = 1_000_000;
const DRAFT = "2020-12";

export class OpenApiCheck {
  readonly #paths: readonly { readonly pattern: RegExp; readonly methods: Readonly<Record<string, unknown>> }[];
  readonly #components: Schema;
  readonly #validators = new Map<Schema, Validator>();

  constructor(document: PublishedDocument) {
    this.#components = { components: { schemas: document.components.schemas } };
    this.#paths = Object.entries(document.paths)
      .toSorted(([a], [b]) => a.split("{").length - b.split("{").length)
      .map(([path, methods]) => ({ pattern: patternOf(path), methods }));
  }

  /** What is wrong with an answer; undefined: nothing, or its path is not in the document (pages). */
  fault(seen: SeenAnswer): string | undefined {
    const method = seen.method === "HEAD" ? "get" : seen.method.toLowerCase();
    const operation = this.#operation(method, seen.path);
    const label = `${seen.method} ${seen.path} → ${seen.status}`;
    if (operation === undefined) return undefined;
    const answer = operation.responses[seen.status];
    if (answer === undefined) return `${label}: the document has no such status: ${seen.text.slice(0, 300)}`;
    if (seen.method === "HEAD" || seen.text.length > TEXT_LENGTH_MAX) return undefined;
    const mediaType = seen.contentType?.split(";")[0] ?? "none";
    const content = answer.content?.[mediaType];
    if (answer.content === undefined) return seen.text === "" ? undefined : `${label}: a body where none is documented`;
    if (content === undefined) return `${label}: the document has no ${mediaType}`;
    if (mediaType !== "application/json") return undefined;
    const problem = this.schemaFault(JSON.parse(seen.text), content.schema);
    return problem === undefined ? undefined : `${label}: ${problem}: ${seen.text.slice(0, 300)}`;
  }

  /** How `value` breaks `schema`, whose references are the document's; undefined: it fits. */
  schemaFault(value: unknown, schema: Schema): string | undefined {
    const validator = this.#validators.get(schema) ?? new Validator({ ...this.#components, ...schema }, DRAFT, false);
    this.#validators.set(schema, validator);
    const result = validator.validate(value);
    if (result.valid) return undefined;
    const [deepest] = result.errors.toSorted((a, b) => b.instanceLocation.length - a.instanceLocation.length);
    return `${deepest?.instanceLocation ?? "#"}: ${deepest?.error ?? "does not fit"} (${deepest?.keywordLocation ?? ""})`;
  }

  #operation(method: string, path: string): DocumentedOperation | undefined {
    const plain = (path.split("?")[0] ?? "").replace(/(?<=.)\/$/, "");
    const known = this.#paths.find(({ pattern, methods }) => pattern.test(plain) && methods[method] !== undefined);
    return known?.methods[method] as DocumentedOperation | undefined;
  }
}

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replaceAll(".", String.raw`\.`).replaceAll(/\{\w+\}/g, "[^/]+")}$`);
}
