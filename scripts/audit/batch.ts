// A batch from upload to result: what each line's answer says, and each line's place in one of the two files. What was done
// is charged, whatever becomes of the batch, and stands in the output.

import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import { FORMS, parsed } from "./forms.ts";
import type { Broken, Figures, Job, Outcome, Part, PlannedCall } from "./history.ts";
import { refused } from "./refused.ts";
import { retryAfterMs } from "./wire.ts";
import type { Answer, Wire } from "./wire.ts";
import { parseUsd } from "../../shared/money.ts";

type BatchJob = Extract<Job, { kind: "batch" }>;

const POLL_MS = 250;
const POLL_MS_MAX = 2000;
/** Cancelled then: an audit waits for no queue. */
const RUN_MS = 60_000;
/** The longest wait for the end after that. */
const END_MS = 60_000;
const TRIES_MAX = 8;
const RETRY_MS = 500;
const ENDED = new Set(["completed", "failed", "expired", "cancelled"]);

const fileSchema = z.object({ id: z.string() });
const batchSchema = z.object({
  id: z.string(),
  status: z.string(),
  input_file_id: z.string(),
  output_file_id: z.nullable(z.string()),
  error_file_id: z.nullable(z.string()),
  request_counts: z.object({ total: z.int() }),
  usage: z.object({ input_tokens: z.int(), cost: z.number() }),
});
type Batch = z.output<typeof batchSchema>;
const lineSchema = z.object({
  custom_id: z.string(),
  response: z.nullable(z.object({ status_code: z.int(), body: z.unknown() })),
});

export async function runBatch(wire: Wire, call: PlannedCall, job: BatchJob): Promise<Outcome> {
  const form = new Response(formOf(job));
  const type = { "content-type": form.headers.get("content-type") ?? "" };
  const uploaded = await insist(wire, "POST", "/v1/files", await form.text(), type);
  if (uploaded?.status !== 200) return failed(call, uploaded);
  const { data: file } = fileSchema.safeParse(parsed(uploaded.text));
  if (file === undefined) return { kind: "refused", status: 200, code: "", waitMs: undefined };
  const outcome = await runFile(wire, call, job, file.id);
  await insist(wire, "DELETE", `/v1/files/${file.id}`);
  return outcome;
}

async function runFile(wire: Wire, call: PlannedCall, job: BatchJob, fileId: string): Promise<Outcome> {
  const order = JSON.stringify({ input_file_id: fileId, endpoint: job.endpoint, completion_window: "24h" });
  const make = () => insist(wire, "POST", "/v1/batches", order, call.headers);
  const first = await make();
  const made = batchOf(first);
  if (made === undefined) return failed(call, first);
  const broken: Broken[] = [];
  if (job.isMadeTwice) {
    const again = batchOf(await make());
    if (again !== undefined && again.id !== made.id) {
      broken.push({ kind: "double", what: `one Idempotency-Key made two batches, ${made.id} and ${again.id}` });
    }
  }
  if (job.isCancelled) await insist(wire, "POST", `/v1/batches/${made.id}/cancel`);
  const ended = await endOf(wire, made.id);
  if (ended === undefined) return { kind: "unknown", why: `${made.id} has not ended` };
  const texts = await Promise.all([contentOf(wire, ended.output_file_id), contentOf(wire, ended.error_file_id)]);
  const [output, errors] = texts;
  if (output === undefined || errors === undefined) return { kind: "unknown", why: `${made.id} cannot be read` };
  return outcomeOf(job, ended, output, errors, broken);
}

async function endOf(wire: Wire, id: string): Promise<Batch | undefined> {
  let pauseMs = POLL_MS;
  let isCancelled = false;
  for (let leftMs = RUN_MS + END_MS; leftMs > 0; leftMs -= pauseMs) {
    const batch = batchOf(await insist(wire, "GET", `/v1/batches/${id}`));
    if (batch !== undefined && ENDED.has(batch.status)) return batch;
    if (leftMs <= END_MS && !isCancelled) {
      isCancelled = true;
      await insist(wire, "POST", `/v1/batches/${id}/cancel`);
    }
    await sleep(pauseMs);
    pauseMs = Math.min(POLL_MS_MAX, 1.5 * pauseMs);
  }
  return undefined;
}

/** A file's lines, and the file is deleted then. Undefined: it could not be read. */
async function contentOf(wire: Wire, fileId: string | null): Promise<readonly string[] | undefined> {
  if (fileId === null) return [];
  const answer = await insist(wire, "GET", `/v1/files/${fileId}/content`);
  if (answer?.status !== 200) return undefined;
  await insist(wire, "DELETE", `/v1/files/${fileId}`);
  return answer.text.split("\n").filter((line) => line !== "");
}

function outcomeOf(
  { lines }: BatchJob,
  batch: Batch,
  output: readonly string[],
  errors: readonly string[],
  broken: Broken[],
): Outcome {
  const seen = new Map<string, number>();
  const parts = [...output, ...errors].flatMap((text): Part[] => {
    const { data: line } = lineSchema.safeParse(parsed(text));
    if (line === undefined) {
      broken.push({ kind: "books", what: "a line of the batch's files is none" });
      return [];
    }
    seen.set(line.custom_id, (seen.get(line.custom_id) ?? 0) + 1);
    const told = line.response?.status_code === 200 ? (FORMS.own.told(line.response.body) ?? {}) : undefined;
    return [{ name: `line ${line.custom_id}`, tokens: lines[Number(line.custom_id)]?.tokens, told }];
  });
  // A batch that ended before its file was read counts no line.
  const isRead = batch.request_counts.total > 0 || seen.size > 0;
  const misplaced = lines.flatMap((_, index) => (seen.get(String(index)) === 1 ? [] : [index]));
  if (isRead && misplaced.length > 0) {
    broken.push({ kind: "books", what: `lines ${misplaced.join(", ")} do not stand once in the two files` });
  }
  const figures = parts.reduce<Figures>(
    (sum, { told }) => ({
      requests: sum.requests + (told === undefined ? 0 : 1),
      tokens: sum.tokens + (told?.tokens ?? 0),
      costNanoUsd: sum.costNanoUsd + (told?.costNanoUsd ?? 0),
    }),
    { requests: 0, tokens: 0, costNanoUsd: 0 },
  );
  return {
    kind: "served",
    requestId: batch.id,
    costNanoUsd: parseUsd(batch.usage.cost),
    replayed: false,
    charged: { least: figures, most: figures },
    body: { digest: "", usage: { tokens: batch.usage.input_tokens }, parts, broken },
  };
}

/** A whole exchange, tried again where that may help; undefined: no answer. */
async function insist(
  wire: Wire,
  method: string,
  path: string,
  body?: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer | undefined> {
  for (let tries = 1; ; tries += 1) {
    const answer = await wire.ask(method, path, body, headers);
    const mayPass = answer === undefined || answer.status === 429 || answer.status === 409 || answer.status >= 500;
    if (!mayPass || tries === TRIES_MAX) return answer;
    await sleep((answer && retryAfterMs(answer.headers)) ?? RETRY_MS);
  }
}

function batchOf(answer: Answer | undefined): Batch | undefined {
  return answer?.status === 200 ? batchSchema.safeParse(parsed(answer.text)).data : undefined;
}

function failed(call: PlannedCall, answer: Answer | undefined): Outcome {
  if (answer === undefined) return { kind: "unknown", why: "no answer" };
  return refused(call, answer);
}

/** The input file as a form, as OpenAI's clients send it. */
function formOf({ lines, endpoint }: BatchJob): FormData {
  const content = lines.map(({ text }, index) =>
    JSON.stringify({ custom_id: String(index), method: "POST", url: endpoint, body: parsed(text) }),
  );
  const form = new FormData();
  form.set("purpose", "batch");
  form.set("file", new File([content.join("\n")], "audit.jsonl"));
  return form;
}
