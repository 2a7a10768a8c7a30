// Embeds one text through a public URL, as a customer does, and checks the answer. The Worker's canary and `npm run
// probe` use it. It never throws; a failure is a short reason that holds no text and no key.

import * as z from "zod";

/** Longer than a call waits for a cold model. */
const ANSWER_MS = 30_000;
const MODELS_MS = 10_000;
/** More than the rounding of float16 vectors can change a norm. */
const NORM_TOLERANCE = 1e-2;

const answerSchema = z.object({
  data: z.array(z.object({ embedding: z.array(z.number()).min(1) })).length(1),
  model: z.string(),
  usage: z.object({ prompt_tokens: z.number().int().positive() }),
});
const faultSchema = z.object({ error: z.object({ code: z.string() }) });

const modelSchema = z.object({ id: z.string(), status: z.string(), kind: z.nullable(z.string()).optional() });
const modelsSchema = z.object({ data: z.array(modelSchema) });

/** What `GET /v1/models` lists; nothing where it cannot be read. A reranker is listed as one, and has no vectors. */
export async function listedModels(
  fetch: ProbeCall["fetch"],
  url: string,
): Promise<readonly z.output<typeof modelSchema>[]> {
  try {
    const answer = await fetch(`${url.replace(/\/+$/, "")}/v1/models`, {
      signal: AbortSignal.timeout(MODELS_MS),
      redirect: "manual",
    });
    return modelsSchema.parse(await answer.json()).data;
  } catch {
    return [];
  }
}

export interface ProbeCall {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Public base URL, without a path. */
  readonly url: string;
  readonly key: string;
  readonly model: string;
  readonly now: () => number;
  /** The text to embed; a new one each time tests the whole path and not a cache. */
  readonly text: string;
  /** Further fields of the body. */
  readonly fields?: Readonly<Record<string, string>>;
}

export interface ProbeResult {
  readonly latencyMs: number;
  /** Undefined: the answer is a vector of unit length. */
  readonly reason: string | undefined;
  readonly requestId: string | undefined;
  /** Of an answer: the model's revision as its header says it, and the vector. */
  readonly revision?: string;
  readonly embedding?: readonly number[];
}

export async function probe(call: ProbeCall): Promise<ProbeResult> {
  const startedMs = call.now();
  const result = await ask(call);
  return { latencyMs: Math.round(call.now() - startedMs), ...result };
}

async function ask(call: ProbeCall): Promise<Omit<ProbeResult, "latencyMs">> {
  let response: Response;
  let body: unknown;
  try {
    response = await call.fetch(`${call.url.replace(/\/+$/, "")}/v1/embeddings`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${call.key}`,
        "content-type": "application/json",
        "cache-control": "no-store",
      },
      body: JSON.stringify({ ...call.fields, model: call.model, input: call.text }),
      signal: AbortSignal.timeout(ANSWER_MS),
      redirect: "manual",
    });
    body = await response.json().catch(() => undefined);
  } catch (error) {
    const isLate = error instanceof Error && error.name === "TimeoutError";
    return { reason: isLate ? `no answer within ${ANSWER_MS / 1000} s` : "no connection", requestId: undefined };
  }
  const requestId = response.headers.get("x-request-id") ?? undefined;
  const answered = vectorOf(response.status, body);
  if (typeof answered === "string") return { reason: answered, requestId };
  return { reason: undefined, requestId, embedding: answered, ...revisionOf(response) };
}

function revisionOf({ headers }: Response): Pick<ProbeResult, "revision"> {
  const revision = headers.get("x-model-revision");
  return revision === null ? {} : { revision };
}

/** The vector, or why there is none. */
function vectorOf(status: number, body: unknown): readonly number[] | string {
  if (status !== 200) {
    const code = faultSchema.safeParse(body).data?.error.code;
    return code !== undefined && /^\w{1,64}$/.test(code) ? `${status} ${code}` : `status ${status}`;
  }
  const answer = answerSchema.safeParse(body);
  if (!answer.success) return "an answer without a vector";
  const embedding = answer.data.data[0]?.embedding ?? [];
  const squares = embedding.reduce((sum, value) => sum + value * value, 0);
  return Math.abs(Math.sqrt(squares) - 1) <= NORM_TOLERANCE ? embedding : "a vector that is not of unit length";
}
