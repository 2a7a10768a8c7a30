// The soak's clients: what they send, and what they hold an answer to. Each keeps its own account of what it was
// charged, by the headers of the answers it read to the end.

import { connect } from "node:net";
import { float16BitsToFloat32 } from "../../shared/float16.ts";
import { parseUsd } from "../../shared/money.ts";
import type { AccountUnderTest } from "../support/edge-server.ts";
import { FAKE_MODEL } from "../support/edge-server.ts";
import { fakeVector } from "../support/fake-backend-server.ts";

export const DIMENSIONS = 256;
/** Texts that come again and again. */
const FAVOURITES = 300;
const LARGE_TEXTS = 400;
/** What may stand between a component and the one expected: its float16 rounding, normalised again. */
const TOLERANCE = 2e-3;
/** A call that got no answer for so long is a fault: the edge's own deadline is below it. */
const PATIENCE_MS = 90_000;

export type Kind = "short" | "favourite" | "batch" | "large" | "bad" | "abandoned";
const WEIGHTS: readonly (readonly [Kind, number])[] = [
  ["short", 40],
  ["favourite", 30],
  ["batch", 12],
  ["large", 4],
  ["bad", 10],
  ["abandoned", 4],
];

/** What clients saw, by all of them. */
export class Seen {
  readonly statuses = new Map<string, number>();
  /** Sentences about answers that should not be. */
  readonly wrong: string[] = [];
  readonly latenciesMs: number[] = [];
  /** Why connections broke before an answer. */
  readonly broken: string[] = [];
  calls = 0;

  note(kind: Kind, status: number | "reset", ms: number): void {
    this.calls += 1;
    const name = `${kind} ${status}`;
    this.statuses.set(name, (this.statuses.get(name) ?? 0) + 1);
    if (status === 200) this.latenciesMs.push(ms);
  }

  blame(sentence: string): void {
    if (this.wrong.length < 50) this.wrong.push(sentence);
  }
}

export interface Payer {
  readonly account: AccountUnderTest;
  /** Sum of `x-cost-usd` over the answers that were read. */
  chargedNanoUsd: number;
}

export interface ClientOptions {
  readonly url: string;
  readonly payer: Payer;
  /** Of its own: whether a call that was given up has been charged nobody here can know. */
  readonly abandoner: AccountUnderTest;
  readonly seen: Seen;
  readonly random: () => number;
}

/** Sends one call after the other until `isOver`. */
export async function runClient(options: ClientOptions, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const kind = pick(options.random);
    if (kind === "bad") await sendBad(options);
    else if (kind === "abandoned") await abandon(options);
    else await sendGood(options, kind);
    // A client thinks, too.
    await new Promise((resolve) => setTimeout(resolve, options.random() * 20));
  }
}

/** One call that must come out right; for the end, when nothing is broken any more. */
export async function sendGood(options: ClientOptions, kind: Kind): Promise<number> {
  const { random, payer, seen } = options;
  const texts = textsOf(kind, random);
  const encoding = random() < 0.5 ? "float" : "base64";
  const begun = performance.now();
  const response = await post(
    options,
    { model: FAKE_MODEL, input: texts, encoding_format: encoding },
    payer.account,
    kind === "batch" ? { "x-tier": "batch" } : {},
  );
  if (response === undefined) return 0;
  const text = await response.text();
  seen.note(kind, response.status, performance.now() - begun);
  if (response.status === 200) {
    payer.chargedNanoUsd += parseUsd(response.headers.get("x-cost-usd") ?? "") ?? Number.NaN;
    checkVectors(options, texts, response, JSON.parse(text) as Body);
  } else checkRefusal(options, kind, response, text);
  return response.status;
}

interface Body {
  readonly data: readonly { readonly embedding: string | number[] }[];
}

function checkVectors({ seen }: ClientOptions, texts: readonly string[], response: Response, body: Body): void {
  if (body.data.length !== texts.length) seen.blame(`${texts.length} texts, ${body.data.length} vectors`);
  const revision = response.headers.get("x-model-revision") ?? "";
  // The first and the last: a shift would show in either.
  for (const index of new Set([0, texts.length - 1])) {
    const embedding = body.data[index]?.embedding ?? [];
    const got = typeof embedding === "string" ? floatsOf(embedding) : embedding;
    const expected = float16BitsToFloat32(fakeVector(texts[index] ?? "", revision, DIMENSIONS));
    const isRight =
      got.length === DIMENSIONS && expected.every((value, place) => Math.abs(value - (got[place] ?? 9)) < TOLERANCE);
    if (!isRight) seen.blame(`a wrong vector for "${texts[index]}" of revision ${revision}`);
  }
}

function floatsOf(base64: string): readonly number[] {
  const bytes = new Uint8Array(Buffer.from(base64, "base64"));
  return [...new Float32Array(bytes.buffer)];
}

/** A broken backend may cost a call, never its clarity. */
function checkRefusal({ seen }: ClientOptions, kind: Kind, response: Response, text: string): void {
  const { status } = response;
  if (status === 504) return;
  const retryAfter = Number(response.headers.get("retry-after"));
  if (status === 503 && retryAfter >= 1 && retryAfter <= 60) return;
  seen.blame(`${kind}: ${status}, Retry-After ${response.headers.get("retry-after")}: ${text.slice(0, 200)}`);
}

const BAD: readonly (readonly [object | string, number])[] = [
  [{ model: FAKE_MODEL, input: "" }, 400],
  [{ model: FAKE_MODEL, input: [] }, 400],
  [{ model: FAKE_MODEL, input: "a", dimensions: 0 }, 400],
  [{ model: FAKE_MODEL, input: "a", inptu: 1 }, 400],
  [{ model: "owner/none", input: "a" }, 404],
  ["{", 400],
];

async function sendBad(options: ClientOptions): Promise<void> {
  const { random, payer, seen } = options;
  const [body, expected] = BAD[Math.floor(random() * BAD.length)] ?? ["{", 400];
  const begun = performance.now();
  const response = await post(options, body, payer.account, {});
  if (response === undefined) return;
  await response.text();
  seen.note("bad", response.status, performance.now() - begun);
  if (response.status !== expected && response.status !== 503) {
    seen.blame(`bad: ${response.status} where ${expected} is right for ${JSON.stringify(body)}`);
  }
}

async function post(
  { url, seen }: ClientOptions,
  body: object | string,
  account: AccountUnderTest,
  headers: Record<string, string>,
): Promise<Response | undefined> {
  const send = (): Promise<Response> =>
    fetch(`${url}/v1/embeddings`, {
      method: "POST",
      headers: { authorization: `Bearer ${account.apiKey}`, "content-type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  try {
    return await send();
  } catch (error) {
    // An idle connection may be closed at the very moment a client takes it: every SDK tries once more, and whether the
    // first try was charged after all, the books will say.
    seen.broken.push(causeOf(error));
  }
  try {
    return await send();
  } catch (error) {
    seen.blame(`no answer, twice: ${causeOf(error)}`);
    return undefined;
  }
}

function causeOf(error: unknown): string {
  return error instanceof Error ? `${error.message}, ${String(error.cause)}` : String(error);
}

/** Sends a call and resets the connection a little later: only a reset shows as a client that has gone. */
async function abandon({ url, abandoner, random, seen }: ClientOptions): Promise<void> {
  const body = JSON.stringify({ model: FAKE_MODEL, input: textsOf("large", random) });
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.on("error", () => undefined);
  socket.write(
    `POST /v1/embeddings HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${abandoner.apiKey}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  await new Promise((resolve) => setTimeout(resolve, random() * 60));
  socket.resetAndDestroy();
  seen.note("abandoned", "reset", 0);
}

let serial = 0;

function textsOf(kind: Kind, random: () => number): string[] {
  const fresh = (): string => {
    serial += 1;
    return `text number ${serial}`;
  };
  switch (kind) {
    case "favourite":
      // Squared: the first ones come most often.
      return Array.from(
        { length: 1 + Math.floor(random() * 4) },
        () => `favourite ${Math.floor(random() ** 2 * FAVOURITES)}`,
      );
    case "large":
      return Array.from({ length: LARGE_TEXTS }, fresh);
    case "batch":
      return Array.from({ length: 32 }, fresh);
    default:
      return [fresh()];
  }
}

function pick(random: () => number): Kind {
  const total = WEIGHTS.reduce((sum, [, weight]) => sum + weight, 0);
  let left = random() * total;
  for (const [kind, weight] of WEIGHTS) {
    left -= weight;
    if (left < 0) return kind;
  }
  return "short";
}
