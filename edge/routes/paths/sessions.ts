// Who is signed in to an account's pages.

import * as z from "zod";
import { orNull, pageAnswer, pageExample, unixSeconds } from "../../openapi/answers.ts";
import type { Operation } from "../../openapi/operation.ts";
import { PAGING, limitParameter, pathId } from "../../openapi/parameters.ts";
import { WHOLE_LIST_MAX } from "../list-query.ts";

const tag = "Account";
const SESSION = {
  id: "sess_5Tt8ZKf0s3N6Y1WcQbXo2R",
  object: "session",
  name: "octocat",
  via: "github",
  key_id: "key_5Tt8ZKf0s3N6Y1WcQbXo2R",
  created_at: 1_790_000_000,
  expires_at: 1_790_604_800,
};
const session = z.object({
  id: z.string(),
  object: z.literal("session"),
  name: z.string(),
  via: z.enum(["key", "github"]),
  key_id: z.string().describe("Whose rights it has."),
  created_at: orNull(unixSeconds),
  expires_at: orNull(unixSeconds),
});

export const SESSIONS: readonly Operation[] = [
  {
    method: "get",
    path: "/v1/sessions",
    id: "listSessions",
    tag,
    summary: "Who is signed in to the dashboard",
    auth: "key",
    parameters: [limitParameter(WHOLE_LIST_MAX, WHOLE_LIST_MAX), ...PAGING],
    answers: {
      200: {
        description: "Newest first; an account has at most 20, the oldest end.",
        name: "Sessions",
        schema: pageAnswer(session),
        example: pageExample([SESSION]),
      },
    },
    errors: ["invalid_value"],
  },
  {
    method: "delete",
    path: "/v1/sessions",
    id: "deleteSessions",
    tag,
    summary: "Sign out everywhere",
    description: "Every session ends at once, wherever its cookie is; keys that were made for one are revoked.",
    auth: "key",
    answers: {
      200: {
        description: "How many ended.",
        name: "DeletedSessions",
        schema: z.object({ object: z.literal("list"), deleted: z.number().int().nonnegative() }),
        example: { object: "list", deleted: 2 },
      },
    },
    errors: [],
  },
  {
    method: "delete",
    path: "/v1/sessions/{id}",
    id: "deleteSession",
    tag,
    summary: "Sign one session out",
    auth: "key",
    parameters: [pathId("id", "The session's id.")],
    answers: {
      200: {
        description: "It has ended.",
        name: "DeletedSession",
        schema: z.object({ id: z.string(), object: z.literal("session"), deleted: z.literal(true) }),
        example: { id: SESSION.id, object: "session", deleted: true },
      },
    },
    errors: ["object_not_found"],
  },
];
