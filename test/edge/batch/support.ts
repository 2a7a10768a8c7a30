// Files and batches through the API, with alarms run by hand, so that a test decides when work continues.

import { env, runDurableObjectAlarm } from "cloudflare:test";
import { decodeFrame } from "../../../shared/frame.ts";
import { embedRequestSchema } from "../../../shared/wire.ts";
import type { Api, ApiAnswer } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";
import type { FakeBackend } from "../support/fake-backends.ts";

const BOUNDARY = "----test-boundary-7MA4YWxkTrZu0gW";

export interface Batch {
  readonly id: string;
  readonly status: string;
  readonly input_file_id: string;
  readonly output_file_id: string | null;
  readonly error_file_id: string | null;
  readonly request_counts: { readonly total: number; readonly completed: number; readonly failed: number };
  readonly usage: { readonly input_tokens: number; readonly cost: number };
  readonly errors: { readonly data: readonly Record<string, unknown>[] } | null;
}

export interface OutputLine {
  readonly id: string;
  readonly custom_id: string;
  readonly response: { readonly status_code: number; readonly body: Record<string, unknown> } | null;
  readonly error: { readonly code: string } | null;
}

/** A form as browsers and SDKs send it. */
export function formOf(parts: Readonly<Record<string, string | { filename: string; content: string }>>): {
  readonly body: Uint8Array;
  readonly headers: Record<string, string>;
} {
  const text = Object.entries(parts).map(([name, value]) =>
    typeof value === "string"
      ? `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
      : `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"; filename="${value.filename}"\r\nContent-Type: application/octet-stream\r\n\r\n${value.content}\r\n`,
  );
  return {
    body: new TextEncoder().encode(`${text.join("")}--${BOUNDARY}--\r\n`),
    headers: { "content-type": `multipart/form-data; boundary=${BOUNDARY}` },
  };
}

export function upload(api: Api, key: string, content: string): Promise<ApiAnswer> {
  const form = formOf({ file: { filename: "input.jsonl", content }, purpose: "batch" });
  return api.call("/v1/files", { key, method: "POST", ...form });
}

export function embeddingLine(customId: string, input: unknown, more: object = {}): string {
  const body = { model: MODEL, input, ...more };
  return JSON.stringify({ custom_id: customId, method: "POST", url: "/v1/embeddings", body });
}

/** Uploads `lines` and creates a batch of them. */
export async function startBatch(
  api: Api,
  key: string,
  lines: readonly string[],
  endpoint = "/v1/embeddings",
): Promise<string> {
  const file = await upload(api, key, lines.join("\n"));
  if (file.status !== 200) throw new Error(file.text);
  const body = { input_file_id: file.body["id"], endpoint, completion_window: "24h" };
  const batch = await api.call("/v1/batches", { key, body });
  if (batch.status !== 200) throw new Error(batch.text);
  return String(batch.body["id"]);
}

export async function getBatch(api: Api, key: string, id: string): Promise<Batch> {
  return (await api.call(`/v1/batches/${id}`, { key })).body as unknown as Batch;
}

/** Runs the batch's alarms until it has ended, or until `until` returns true. */
export async function workThrough(
  api: Api,
  key: string,
  id: string,
  until: (batch: Batch) => boolean = hasEnded,
): Promise<Batch> {
  for (let alarms = 0; alarms < 200; alarms += 1) {
    const batch = await getBatch(api, key, id);
    if (until(batch)) return batch;
    await runDurableObjectAlarm(env.BATCH.get(env.BATCH.idFromName(id)));
  }
  throw new Error("the batch does not get there");
}

export function hasEnded({ status }: Batch): boolean {
  return ["completed", "failed", "expired", "cancelled"].includes(status);
}

/** The lines of an output or error file. */
export async function linesOf(api: Api, key: string, fileId: string | null): Promise<OutputLine[]> {
  const answer = await api.call(`/v1/files/${fileId ?? ""}/content`, { key });
  if (answer.status !== 200) throw new Error(answer.text);
  return answer.text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as OutputLine);
}

/** Makes the backend refuse every frame that has one of these texts, until its `answer` is restored. */
export function refuse(backend: FakeBackend, texts: readonly string[]): void {
  const answer = backend.answer.bind(backend);
  backend.answer = async (path, init) => {
    if (path !== "/embed") return answer(path, init);
    const bytes = new Uint8Array(await new Response(init.body).arrayBuffer());
    const frame = decodeFrame(bytes);
    const request = embedRequestSchema.parse(frame.kind === "frame" ? frame.header : undefined);
    const index = request.texts.findIndex((text) => texts.includes(String(text)));
    if (index < 0) return answer(path, { ...init, body: bytes });
    const error = { code: "context_length_exceeded", message: "too long", index, facts: {}, retryAfterS: null };
    return Response.json({ error }, { status: 400 });
  };
}
