// /v1/sessions: who is signed in to the pages of an account. Ending one takes its cookie's worth away, wherever it is;
// a key that was made for it is revoked. Another account's session is unknown.

import { accountStub } from "../account/account-stub.ts";
import type { Context } from "../context.ts";
import { acted } from "../middleware/acted.ts";
import { authorize } from "../middleware/authorize.ts";
import type { SessionRecord } from "../account/session-store.ts";
import { seconds } from "./key-fields.ts";
import { listPage, pageOfAll } from "./list-query.ts";
import { apiError } from "../../shared/errors.ts";
import { parseId } from "../../shared/ids.ts";

export async function listSessions(c: Context): Promise<Response> {
  const { accountId } = await authorize(c, "account:write");
  const sessions = acted(await accountStub(c.env, accountId).listSessions());
  const page = await pageOfAll(c, accountId, "session", sessions);
  return c.json(listPage(page.items.map(sessionAnswer), page.hasMore));
}

export async function deleteSession(c: Context): Promise<Response> {
  const { accountId, by } = await authorize(c, "account:write");
  const id = parseId("session", c.req.param("id") ?? "");
  const ended = id === undefined ? 0 : acted(await accountStub(c.env, accountId).endSessions(id, by));
  if (ended === 0) throw apiError("object_not_found", "No such session in this account, or it is over.", "id");
  return c.json({ id, object: "session", deleted: true });
}

/** Ends every session, the caller's own too. */
export async function deleteSessions(c: Context): Promise<Response> {
  const { accountId, by } = await authorize(c, "account:write");
  const ended = acted(await accountStub(c.env, accountId).endSessions(undefined, by));
  return c.json({ object: "list", deleted: ended });
}

function sessionAnswer(session: SessionRecord) {
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
