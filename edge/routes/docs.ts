// GET /docs and /docs/errors.

import type { Context } from "../context.ts";
import { docsPage } from "../pages/docs-page.ts";
import { errorsPage } from "../pages/errors-page.ts";
import { respond } from "../pages/layout.ts";

export function getDocs(c: Context): Promise<Response> {
  return respond(c, docsPage());
}

export async function getErrorDocs(c: Context): Promise<Response> {
  return respond(c, await errorsPage(c.env));
}
