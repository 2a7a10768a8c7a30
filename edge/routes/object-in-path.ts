// The object that a path names by its id. Another account's is unknown, as is one that never was.

import type { Context } from "../context.ts";
import type { Parameter } from "../openapi/operation.ts";
import { pathId } from "../openapi/parameters.ts";
import type { ApiError } from "../../shared/errors.ts";
import { apiError } from "../../shared/errors.ts";
import type { Id, IdKind } from "../../shared/ids.ts";
import { parseId } from "../../shared/ids.ts";

/** `{id}` of a path. */
export const idParameter = (kind: IdKind): Parameter => ({
  ...pathId("id", `The ${kind}'s id.`),
  errors: ["object_not_found"],
});

/** The id in the path. Throws `object_not_found` for what is none of `kind`. */
export function idInPath<Kind extends IdKind>(c: Context, kind: Kind): Id<Kind> {
  return known(kind, parseId(kind, c.req.param("id") ?? ""));
}

/** What was found of the object; throws `object_not_found` where nothing was. */
export function known<Value>(kind: IdKind, found: Value | "unknown" | undefined): Value {
  if (found === undefined || found === "unknown") throw unknownObject(kind);
  return found;
}

function unknownObject(kind: IdKind): ApiError {
  const account = kind === "account" ? "" : " in this account";
  const over = kind === "file" ? ", or it has expired" : kind === "session" ? ", or it is over" : "";
  return apiError("object_not_found", `No such ${kind}${account}${over}.`, "id");
}
