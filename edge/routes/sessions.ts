// /v1/sessions: who is signed in to the pages of an account. Ending one takes its cookie's worth away, wherever it is;
// a key that was made for it is revoked. Another account's session is unknown.

import * as z from "zod";
import { accountStub } from "../account/account-stub.ts";
import type { SessionRecord } from "../account/session-store.ts";
import type { Context } from "../context.ts";
import { acted } from "../middleware/acted.ts";
import type { Caller } from "../middleware/authorize.ts";
import { count, deletedAnswer, seconds, unixSeconds } from "./answers.ts";
import { WHOLE_LIST, listPage, pageAnswer, pageOfAll } from "./list-query.ts";
import { idInPath, idParameter, known } from "./object-in-path.ts";
import type { Route } from "./route.ts";

const SESSION = {
  id: "sess_5Tt8ZKf0s3N6Y1WcQbXo2R",
  object: "session",
  name: "octocat",
  via: "github",
  key_id: "key_5Tt8ZKf0s3N6Y1WcQbXo2R",
  created_at: 1_790_000_000,
  expires_at: 1_790_604_800,
};
const sessionSchema = z.object({
  id: z.string(),
  object: z.literal("session"),
  name: z.string(),
  via: z.enum(["key", "github"]),
  key_id: z.string().describe("Whose rights it has."),
  created_at: z.nullable(unixSeconds),
  expires_at: z.nullable(unixSeconds),
});

function sessionAnswer(session: SessionRecord): z.output<typeof sessionSchema> {
  return {
    id: session.id,
    object: "session",
    name: session.name,
    via: session.via,
    key_id: session.keyId,
    created_at: seconds(session.createdAtMs),
    expires_at: seconds(session.expiresAtMs),
  };
}

export const SESSIONS: readonly Route[] = [
  {
    method: "get",
    path: "/v1/sessions",
    id: "listSessions",
    tag: "Account",
    summary: "Who is signed in to the dashboard",
    auth: "key",
    scope: "account:write",
    parameters: WHOLE_LIST,
    answers: {
      200: pageAnswer("Sessions", "Newest first; an account has at most 20, the oldest end.", sessionSchema, [SESSION]),
    },
    handler: listSessions,
  },
  {
    method: "delete",
    path: "/v1/sessions",
    id: "deleteSessions",
    tag: "Account",
    summary: "Sign out everywhere",
    description: "Every session ends at once, wherever its cookie is; keys that were made for one are revoked.",
    auth: "key",
    scope: "account:write",
    answers: {
      200: {
        description: "How many ended.",
        name: "DeletedSessions",
        schema: z.object({ object: z.literal("list"), deleted: count }),
        example: { object: "list", deleted: 2 },
      },
    },
    handler: deleteSessions,
  },
  {
    method: "delete",
    path: "/v1/sessions/{id}",
    id: "deleteSession",
    tag: "Account",
    summary: "Sign one session out",
    auth: "key",
    scope: "account:write",
    parameters: [idParameter("session")],
    answers: { 200: deletedAnswer("DeletedSession", "session", SESSION.id, "It has ended.") },
    handler: deleteSession,
  },
];

async function listSessions(c: Context, { accountId }: Caller): Promise<Response> {
  const sessions = acted(await accountStub(c.env, accountId).listSessions());
  const page = await pageOfAll(c, accountId, "session", sessions);
  return c.json(listPage(page.items.map(sessionAnswer), page.hasMore));
}

async function deleteSession(c: Context, { accountId, by }: Caller): Promise<Response> {
  const id = idInPath(c, "session");
  const ended = acted(await accountStub(c.env, accountId).endSessions(id, by));
  known("session", ended === 0 ? "unknown" : ended);
  return c.json({ id, object: "session", deleted: true });
}

/** Ends every session, the caller's own too. */
async function deleteSessions(c: Context, { accountId, by }: Caller): Promise<Response> {
  const ended = acted(await accountStub(c.env, accountId).endSessions(undefined, by));
  return c.json({ object: "list", deleted: ended });
}
