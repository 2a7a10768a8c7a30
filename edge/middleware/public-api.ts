// Middleware of the public API: CORS, current models, and a record of refusals that a key's owner can mend. It is one
// middleware because every call pays for each one's frame.

import type { Next } from "hono";
import type { Context } from "../context.ts";
import { answerPreflight } from "./cors.ts";
import { currentModels } from "./current-models.ts";
import { noteRefusal } from "./note-refusals.ts";

export async function publicApi(c: Context, next: Next): Promise<Response | undefined> {
  const preflight = answerPreflight(c);
  if (preflight !== undefined) return preflight;
  c.set("isPublicApi", true);
  await currentModels(c);
  await next();
  noteRefusal(c);
  return undefined;
}
