// GET /admin/backup: all books, as lines of JSON. First the directory's rows, then account by account, in order;
// `?after=` continues after an account. The last line says whether there is more; a body that broke off lacks it. POST
// /admin/restore takes such a line into a deployment under the same secrets that lacks its rows; repeating it has no
// effect.

import * as z from "zod";
import { accountStub } from "../../account/account-stub.ts";
import { dumpSchema } from "../../account/table-dump.ts";
import type { Context } from "../../context.ts";
import { accountIdsAfter, directoryPages, directoryRowsSchema, restoreDirectoryRows } from "../../directory/backup.ts";
import { collectBytes } from "../../lib/collect-bytes.ts";
import { queryText } from "../../openapi/parameters.ts";
import { operatorRoutes } from "../route.ts";
import { streamed } from "../streamed.ts";
import { act } from "./act.ts";
import { apiError } from "../../../shared/errors.ts";
import { parseId } from "../../../shared/ids.ts";
import { oneOf } from "../../../shared/schemas/fields.ts";

/** Accounts read by one request: each is a subrequest. */
const ACCOUNTS_A_CALL = 200;
/** A line holds one account's dump, of at most 28 MiB. */
const LINE_BYTES_MAX = 40 * 1024 * 1024;

const accountLine = z.strictObject({ kind: z.literal("account"), id: z.string(), dump: dumpSchema });
const directoryLine = directoryRowsSchema.extend({ kind: z.literal("directory") });
const lineSchema = z.discriminatedUnion("kind", [accountLine, directoryLine]);

export const BACKUP = operatorRoutes([
  {
    method: "get",
    path: "/admin/backup",
    id: "adminBackup",
    summary: "The whole books, a line of JSON each; `npm run backup` reads them",
    parameters: [queryText("after", "The account in the last line of the previous call.")],
    answers: {
      200: {
        description: "Lines; the last is `end`, or `more` with where to go on.",
        mediaType: "application/x-ndjson",
      },
    },
    handler: getBackup,
  },
  {
    method: "post",
    path: "/admin/restore",
    id: "adminRestore",
    summary: "One line of a backup, into a deployment that lacks it; `npm run restore` sends them",
    body: {
      name: "RestoreRequest",
      schema: z.looseObject({ kind: oneOf(["account", "directory"]) }),
      example: { kind: "directory", table: "models", rows: [] },
      errors: ["invalid_json", "invalid_value", "body_too_large"],
    },
    answers: {
      200: {
        description: "`exists`: it was there, and stays as it is.",
        name: "Restored",
        schema: z.object({
          kind: z.enum(["account", "directory"]),
          id: z.string().optional(),
          outcome: z.enum(["restored", "exists"]),
        }),
        example: { kind: "directory", outcome: "restored" },
      },
    },
    handler: postRestore,
  },
]);

function getBackup(c: Context): Response {
  const after = c.req.query("after");
  if (after !== undefined && parseId("account", after) === undefined) {
    throw apiError("invalid_value", "`after` must be an account's id.", "after");
  }
  c.header("content-type", "application/x-ndjson");
  c.header("cache-control", "no-store");
  return streamed(c, linesOf(c, after));
}

async function* linesOf(c: Context, after: string | undefined): AsyncGenerator<string> {
  const { DIRECTORY: directory } = c.env;
  if (after === undefined) {
    for await (const page of directoryPages(directory)) yield `${JSON.stringify({ kind: "directory", ...page })}\n`;
  }
  const ids = await accountIdsAfter(directory, after ?? "", ACCOUNTS_A_CALL);
  for (const text of ids) {
    const id = parseId("account", text);
    const dump = id === undefined ? undefined : await accountStub(c.env, id).dump();
    // Not set up yet, or being deleted: it has no books.
    if (dump !== undefined) yield `{"kind":"account","id":${JSON.stringify(text)},"dump":${dump}}\n`;
  }
  const last = ids.at(-1);
  yield `${JSON.stringify(ids.length < ACCOUNTS_A_CALL ? { kind: "end" } : { kind: "more", after: last })}\n`;
}

async function postRestore(c: Context): Promise<Response> {
  const line = await readLine(c);
  if (line.kind === "directory") {
    await restoreDirectoryRows(c.env.DIRECTORY, line);
    return c.json({ kind: line.kind, outcome: "restored" });
  }
  const id = parseId("account", line.id);
  if (id === undefined) throw apiError("invalid_value", "`id` must be an account's id.", "id");
  const outcome = await act(c, "account.restore", id, {}, () =>
    accountStub(c.env, id).restore(JSON.stringify(line.dump)),
  );
  return c.json({ kind: line.kind, id, outcome });
}

async function readLine(c: Context): Promise<z.output<typeof lineSchema>> {
  const { body } = c.req.raw;
  const bytes = body === null ? new Uint8Array() : await collectBytes(body, LINE_BYTES_MAX);
  if (bytes === undefined) throw apiError("body_too_large", "A line of a backup is at most 40 MB.");
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw apiError("invalid_json", "The body must be one line of a backup, which is JSON.");
  }
  const parsed = lineSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.join(".") ?? "";
  throw apiError(
    "invalid_value",
    `The body is not a line of a backup: \`${where}\` does not fit.`,
    where === "" ? null : where,
  );
}
