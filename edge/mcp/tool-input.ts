// What a tool takes: published as JSON Schema, and checked as a body of the API is, so that a wrong argument is refused in
// the API's words: what, where, and what would be right.

import type * as z from "zod";
import type { McpServer, StandardSchemaWithJSON } from "@modelcontextprotocol/server";
import type { Context } from "../context.ts";
import { errorBody } from "../middleware/errors.ts";
import { ApiError } from "../../shared/errors.ts";
import type { Fault } from "../../shared/errors.ts";
import { parseBody } from "../../shared/schemas/fields.ts";
import type { CallApi } from "./api-call.ts";

/** What tools are made of. */
export interface Tools {
  readonly server: McpServer;
  readonly api: CallApi;
  /** The text of a tool's error: `fault` as a route answers it. */
  readonly errorText: (fault: Fault) => string;
}

export function toolsOf(c: Context, server: McpServer, api: CallApi): Tools {
  return { server, api, errorText: (fault) => JSON.stringify(errorBody(c, fault)) };
}

/** Makes of a schema what a tool is registered with. */
export function takes<Schema extends z.ZodObject>(
  { errorText }: Tools,
  schema: Schema,
): StandardSchemaWithJSON<z.input<Schema>, z.output<Schema>> {
  return {
    "~standard": {
      ...schema["~standard"],
      validate(value) {
        try {
          return { value: parseBody(schema, value) };
        } catch (error) {
          // The SDK makes a tool's error of the message; issues it would put into words of its own.
          throw error instanceof ApiError ? new TypeError(errorText(error.fault)) : error;
        }
      },
    },
  };
}
