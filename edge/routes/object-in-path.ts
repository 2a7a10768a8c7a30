// The object that a path names by its id. One of another account is unknown, like one that never existed.

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

/** The id in the path. Throws `object_not_found` for what is not an id of `kind`. */
export function idInPath<Kind extends IdKind>(c: Context, kind: Kind): Id<Kind> {
  return known(kind, parseId(kind, c.req.param("id") ?? ""));
}

/** The found object. Throws `object_not_found` where there is none. */
export function known<Value>(kind: IdKind, found: Value | "unknown" | undefined): Value {
  if (found === undefined || found === "unknown") throw unknownObject(kind);
  return found;
}

function unknownObject(kind: IdKind): ApiError {
  const account = kind === "account" ? "" : " in this account";
  const over = kind === "file" ? ", or it has expired" : kind === "session" ? ", or it is over" : "";
  return apiError("object_not_found", `No such ${kind}${account}${over}.`, "id");
}
