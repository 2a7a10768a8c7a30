// /v1/batches, in OpenAI's form. A running batch is read from its own object, an ended one from the account's library.

import type { BatchObject } from "../../batch/batch.ts";
import { newBatch, snapshotOf } from "../../batch/snapshot.ts";
import type { Context } from "../../context.ts";
import { ENDPOINTS } from "../../endpoints/endpoints.ts";
import type { BatchOrder, BatchSnapshot } from "../../files/batch-types.ts";
import { BATCH_LIMITS } from "../../files/batch-types.ts";
import type { ListedBatch } from "../../files/library-store.ts";
import { libraryStub } from "../../files/library-stub.ts";
import type { BatchId, FileRecord } from "../../files/types.ts";
import { FILE_LIMITS } from "../../files/types.ts";
import type { Rights } from "../../ledger/types.ts";
import { faultOfRefusal } from "../../metering/refusals.ts";
import type { Caller } from "../../middleware/authorize.ts";
import { authorizeAgain } from "../../middleware/authorize.ts";
import { readJson } from "../../middleware/body.ts";
import { answerRepeat, keyReused, onceOf } from "../../middleware/once.ts";
import { pricesOf } from "../../models/pricing.ts";
import { ONCE } from "../../openapi/parameters.ts";
import { exampleId } from "../answers.ts";
import { listPage, listParameters, pageAnswer, readAfter, readOrder } from "../list-query.ts";
import { idInPath, idParameter, known } from "../object-in-path.ts";
import { readLimit } from "../query.ts";
import { keyRoutes } from "../route.ts";
import { BATCH, BATCH_ANSWER } from "./batch-answer.ts";
import { ApiError, apiError } from "../../../shared/errors.ts";
import type { AccountId } from "../../../shared/ids.ts";
import { newId, parseId } from "../../../shared/ids.ts";
import type { BatchEndpoint } from "../../../shared/schemas/batches.ts";
import { createBatchSchema } from "../../../shared/schemas/batches.ts";
import { parseBody, wrongValue } from "../../../shared/schemas/fields.ts";

const BODY_BYTES_MAX = 64 * 1024;
/** As OpenAI's. */
const LIST_MAX = 100;
const LIST_DEFAULT = 20;
/** A batch that its object does not know this long after its creation never began: the request that created it died. */
const BEGIN_MS_MAX = 60_000;

export const BATCHES = keyRoutes("Files and batches", "batches", [
  {
    method: "post",
    path: "/v1/batches",
    id: "createBatch",
    summary: "Run a file of requests at the batch price",
    description:
      "Billed at the prices of the day of its creation. Finished lines are billed even if the batch is cancelled or expires.",
    body: {
      name: "CreateBatchRequest",
      schema: createBatchSchema,
      example: { input_file_id: exampleId("file"), endpoint: "/v1/embeddings", completion_window: "24h" },
    },
    answers: { 200: BATCH_ANSWER },
    parameters: [ONCE],
    errors: ["object_not_found", "limit_reached"],
    handler: createBatch,
  },
  {
    method: "get",
    path: "/v1/batches",
    id: "listBatches",
    summary: "All batches of the account",
    parameters: listParameters(LIST_MAX, LIST_DEFAULT),
    answers: { 200: pageAnswer("Batches", "A page of batches.", BATCH, []) },
    handler: listBatches,
  },
  {
    method: "get",
    path: "/v1/batches/{id}",
    id: "getBatch",
    summary: "One batch and its progress",
    parameters: [idParameter("batch")],
    answers: { 200: BATCH_ANSWER },
    handler: getBatch,
  },
  {
    method: "post",
    path: "/v1/batches/{id}/cancel",
    id: "cancelBatch",
    summary: "Cancel a batch",
    description: "Finished lines are delivered and billed.",
    parameters: [idParameter("batch")],
    answers: { 200: BATCH_ANSWER },
    errors: ["invalid_request"],
    handler: cancelBatch,
  },
]);

async function createBatch(c: Context, caller: Caller): Promise<Response> {
  const body = parseBody(createBatchSchema, await readJson(c, BODY_BYTES_MAX));
  checkEndpoint(caller, body.endpoint);
  const input = await inputFile(c, caller.accountId, body.input_file_id);
  const rights = await authorizeAgain(c, caller);
  checkEndpoint(rights, body.endpoint);
  const createdAtMs = Date.now();
  const order: BatchOrder = {
    id: newId("batch"),
    accountId: rights.accountId,
    keyId: rights.keyId,
    cache: rights.cache,
    ...(rights.models === undefined ? {} : { allowedModels: rights.models }),
    endpoint: body.endpoint,
    metadata: body.metadata ?? null,
    input: { fileId: input.fileId, content: input.content },
    createdAtMs,
    expiresAtMs: createdAtMs + BATCH_LIMITS.windowMs,
    outputLifeMs:
      body.output_expires_after === undefined ? FILE_LIMITS.lifeMs : body.output_expires_after.seconds * 1000,
    prices: Object.fromEntries(c.get("services").models.map((model) => [model.id, pricesOf(model, "batch")])),
  };
  const snapshot = snapshotOf(newBatch(order));
  const begun = await libraryStub(c.env, rights.accountId).beginBatch(snapshot, rights.keyId, onceOf(c));
  if (begun === "reused") throw keyReused();
  if (typeof begun === "object") return answerAgain(c, { ...order, id: begun.again });
  if (begun === "too_many_batches") {
    throw apiError(
      "limit_reached",
      `An account runs at most ${BATCH_LIMITS.runningMax} batches at a time: wait for one to end, or cancel one.`,
    );
  }
  await batchStub(c, order.id).start(order);
  return c.json(BATCH.of(snapshot));
}

/**
 * Answers a repeat with the batch that the first call created. If that call died before the batch began, it begins now.
 */
async function answerAgain(c: Context, order: BatchOrder): Promise<Response> {
  const listed = known("batch", await libraryStub(c.env, order.accountId).getBatch(order.id));
  const { createdAtMs, expiresAtMs } = listed.view;
  const stub = batchStub(c, order.id);
  const isYoung = Date.now() < createdAtMs + BEGIN_MS_MAX;
  if (!listed.ended && isYoung && (await stub.view()) === undefined)
    await stub.start({ ...order, createdAtMs, expiresAtMs });
  return answerRepeat(c, BATCH.of(await currentView(c, order.accountId, listed)), 200);
}

/** A batch calls models, so its key must have the endpoint's scope too. */
function checkEndpoint(rights: Rights, endpoint: BatchEndpoint): void {
  const needed = ENDPOINTS[endpoint].scope;
  if (rights.scopes.includes(needed)) return;
  throw new ApiError(faultOfRefusal({ kind: "scope", needed, granted: rights.scopes }));
}

async function inputFile(c: Context, accountId: AccountId, text: string): Promise<FileRecord> {
  const id = parseId("file", text);
  const file = id === undefined ? undefined : await libraryStub(c.env, accountId).getFile(id);
  if (file === undefined) {
    throw apiError("object_not_found", "No such file in this account, or it has expired.", "input_file_id");
  }
  if (file.purpose !== "batch") {
    const rule = "a file that was uploaded for batches (that one is the output of a batch)";
    throw wrongValue("input_file_id", rule, text);
  }
  return file;
}

async function listBatches(c: Context, { accountId }: Caller): Promise<Response> {
  const page = await libraryStub(c.env, accountId).listBatches({
    ...readAfter(c),
    limit: readLimit(c, LIST_MAX, LIST_DEFAULT),
    order: readOrder(c),
  });
  if (page === undefined) throw apiError("invalid_value", "`after` must be the id of one of your batches.", "after");
  const data = await Promise.all(page.items.map(async (item) => BATCH.of(await currentView(c, accountId, item))));
  return c.json(listPage(data, page.hasMore));
}

async function getBatch(c: Context, { accountId }: Caller): Promise<Response> {
  return c.json(BATCH.of(await currentView(c, accountId, await ownBatch(c, accountId))));
}

async function cancelBatch(c: Context, { accountId }: Caller): Promise<Response> {
  const listed = await ownBatch(c, accountId);
  const before = await currentView(c, accountId, listed);
  // A client whose connection broke may ask again.
  if (before.status === "cancelled") return c.json(BATCH.of(before));
  if (before.endedAtMs !== undefined) {
    throw apiError("invalid_request", `A batch that is ${before.status} cannot be cancelled.`, "id");
  }
  const after = await batchStub(c, before.id).cancel();
  return c.json(BATCH.of(after ?? (await currentView(c, accountId, await ownBatch(c, accountId)))));
}

async function ownBatch(c: Context, accountId: AccountId): Promise<ListedBatch> {
  return known("batch", await libraryStub(c.env, accountId).getBatch(idInPath(c, "batch")));
}

async function currentView(c: Context, accountId: AccountId, { view, ended }: ListedBatch): Promise<BatchSnapshot> {
  if (ended) return view;
  const own = await batchStub(c, view.id).view();
  if (own !== undefined) return own;
  const library = libraryStub(c.env, accountId);
  const again = await library.getBatch(view.id); // it may have ended just now
  if (again === undefined || again.ended || Date.now() - view.createdAtMs < BEGIN_MS_MAX) return again?.view ?? view;
  const fault = { code: "not_begun", line: null, message: "The batch was never begun: create it again.", param: null };
  const failed: BatchSnapshot = { ...view, status: "failed", endedAtMs: view.createdAtMs, faults: [fault] };
  await library.endBatch(failed);
  return failed;
}

function batchStub(c: Context, id: BatchId): DurableObjectStub<BatchObject> {
  return c.env.BATCH.get(c.env.BATCH.idFromName(id));
}
