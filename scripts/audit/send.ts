// Makes one call over a connection, as a client that reads, dawdles, or breaks off at a planned moment, and says what is
// known of it afterwards. It never throws: a failure is an outcome.

import { createHash } from "node:crypto";
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from "node:http";
import { runBatch } from "./batch.ts";
import { FORMS, codeOf, parsed, toolError } from "./forms.ts";
import type { Outcome, PlannedCall, Served, ServedBody } from "./history.ts";
import { refused } from "./refused.ts";
import { runStream } from "./stream.ts";
import { ANSWER_MS, breakOff, readAll } from "./wire.ts";
import type { Wire } from "./wire.ts";
import { ERRORS } from "../../shared/errors.ts";
import { parseUsd } from "../../shared/money.ts";

const SLOW_PAUSE_MS = 20;
/** Such errors come before anything was sent. */
const NOT_CONNECTED = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);

export function send(wire: Wire, call: PlannedCall): Promise<Outcome> {
  const { job } = call;
  if (job?.kind === "stream") return runStream(wire, call, job);
  if (job?.kind === "batch") return runBatch(wire, call, job);
  const body = Buffer.from(call.body);
  const { manner } = call;
  const request = wire.open("POST", call.path, {
    "content-type": "application/json",
    "content-length": String(body.byteLength),
    ...call.headers,
  });
  return new Promise((resolve) => {
    const timer = setTimeout(() => breakOff(request), manner.kind === "leaves" ? manner.afterMs : ANSWER_MS);
    const end = (outcome: Outcome): void => {
      clearTimeout(timer);
      resolve(outcome);
    };
    request.on("error", (error: NodeJS.ErrnoException) => end(cut(call, error.code ?? error.message)));
    request.on("response", (response) => void answered(call, request, response).then(end));
    if (manner.kind === "breaks off") request.write(body.subarray(0, body.length >> 1), () => breakOff(request));
    else request.end(body);
  });
}

/** The connection ended before the head of an answer. */
function cut({ manner }: PlannedCall, why: string): Outcome {
  if (manner.kind === "breaks off" || NOT_CONNECTED.has(why)) return { kind: "unsent", why };
  return { kind: "unknown", why: manner.kind === "leaves" ? "the audit left" : why };
}

async function answered(call: PlannedCall, request: ClientRequest, response: IncomingMessage): Promise<Outcome> {
  const { statusCode: status = 0, headers } = response;
  const isServed = status === 200;
  const { hasHead } = FORMS[call.form];
  if (isServed && call.manner.kind === "hangs up") {
    response.on("error", () => undefined);
    breakOff(request);
    return hasHead ? served(headers, undefined) : { kind: "unknown", why: "the audit hung up" };
  }
  const bytes = await readAll(response, call.manner.kind === "slow" ? SLOW_PAUSE_MS : 0);
  if (!isServed) return refused(call, { status, headers, text: bytes?.toString() ?? "" });
  if (hasHead) return served(headers, bytes === undefined ? undefined : bodyOf(call, bytes));
  if (bytes === undefined) return { kind: "unknown", why: "the answer broke off" };
  const fault = toolError(parsed(bytes.toString()));
  if (fault !== undefined) return toolRefused(call, fault);
  const body = bodyOf(call, bytes);
  return { ...served(headers, body), costNanoUsd: body.usage?.costNanoUsd };
}

function served(headers: IncomingHttpHeaders, body: ServedBody | undefined): Served {
  return {
    kind: "served",
    requestId: String(headers["x-request-id"] ?? ""),
    costNanoUsd: parseUsd(String(headers["x-cost-usd"] ?? "")),
    cache: headers["x-cache"]?.toString(),
    replayed: headers["x-idempotent-replayed"] === "true",
    body,
  };
}

function bodyOf({ form }: PlannedCall, bytes: Buffer): ServedBody {
  const text = bytes.toString();
  const same = text.replace(/"total_duration":\d+/, "");
  return { digest: createHash("sha256").update(same).digest("hex"), usage: FORMS[form].told(parsed(text)) };
}

const SPECS = new Map(Object.entries(ERRORS));

/** A tool fails in the API's own words, and with 200. */
function toolRefused(call: PlannedCall, text: string): Outcome {
  const spec = SPECS.get(codeOf(parsed(text)) ?? "");
  return refused(call, { status: spec?.status ?? 400, headers: {}, text });
}
