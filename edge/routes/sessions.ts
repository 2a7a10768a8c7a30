// /v1/sessions: the sessions on an account's pages. Ending one makes its cookie worthless everywhere and revokes a key
// that was created for it. Another account's session is unknown.

import * as z from "zod";
import { accountStub } from "../account/account-stub.ts";
import type { SessionRecord } from "../account/session-store.ts";
import type { Context } from "../context.ts";
import { acted } from "../middleware/acted.ts";
import type { Caller } from "../middleware/authorize.ts";
import { always, described, field } from "../openapi/described.ts";
import { count, deletedAnswer, exampleId, ownId, seconds, time } from "./answers.ts";
import { WHOLE_LIST, listPage, pageAnswer, pageOfAll } from "./list-query.ts";
import { idInPath, idParameter, known } from "./object-in-path.ts";
import { keyRoutes } from "./route.ts";

const SESSION = described<SessionRecord>({
  id: ownId("session"),
  object: always("session"),
  name: field(z.string(), ({ name }) => name, "octocat"),
  via: field(z.enum(["key", "github"]), ({ via }) => via, "github"),
  key_id: field(z.string().describe("The key whose rights it has."), ({ keyId }) => keyId, exampleId("key")),
  created_at: field(time, ({ createdAtMs }) => seconds(createdAtMs), 1_790_000_000),
  expires_at: field(time, ({ expiresAtMs }) => seconds(expiresAtMs), 1_790_604_800),
});

export const SESSIONS = keyRoutes("Account", "account:write", [
  {
    method: "get",
    path: "/v1/sessions",
    id: "listSessions",
    summary: "Who is signed in to the dashboard",
    parameters: WHOLE_LIST,
    answers: {
      200: pageAnswer("Sessions", "Newest first; an account has at most 20, the oldest end.", SESSION),
    },
    handler: listSessions,
  },
  {
    method: "delete",
    path: "/v1/sessions",
    id: "deleteSessions",
    summary: "Sign out everywhere",
    description: "Ends every session at once, wherever its cookie is; keys that were created for one are revoked.",
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
    summary: "Sign one session out",
    parameters: [idParameter("session")],
    answers: { 200: deletedAnswer("DeletedSession", "session", "The session is ended.") },
    handler: deleteSession,
  },
]);

async function listSessions(c: Context, { accountId }: Caller): Promise<Response> {
  const sessions = acted(await accountStub(c.env, accountId).listSessions());
  const page = await pageOfAll(c, accountId, "session", sessions);
  return c.json(listPage(page.items.map(SESSION.of), page.hasMore));
}

async function deleteSession(c: Context, { accountId, by }: Caller): Promise<Response> {
  const id = idInPath(c, "session");
  const ended = acted(await accountStub(c.env, accountId).endSessions(id, by));
  known("session", ended === 0 ? "unknown" : ended);
  return c.json({ id, object: "session", deleted: true });
}

/** Ends every session, including the caller's own. */
async function deleteSessions(c: Context, { accountId, by }: Caller): Promise<Response> {
  const ended = acted(await accountStub(c.env, accountId).endSessions(undefined, by));
  return c.json({ object: "list", deleted: ended });
}
