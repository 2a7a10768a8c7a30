// The token with which a client goes on with a stream that ended. It names the stream, the line to go on with, the terms
// and the revision. Only the account that it was made for can use it, and only for a day: so long are charges remembered.

import { bodyHashOf } from "../metering/idempotent-call.ts";
import { apiError } from "../../shared/errors.ts";
import { equalTexts } from "../../shared/hmac.ts";
import { parseRevision } from "../../shared/ids.ts";
import type { AccountId, ModelRevision } from "../../shared/ids.ts";

export interface ResumePoint {
  /** The stream's name in the account's ledger. */
  readonly stream: string;
  /** The first line to send, counted from 0 at the stream's beginning. */
  readonly line: number;
  /** A hash of what decides the vectors: model, prompt, truncation. */
  readonly terms: string;
  readonly revision: ModelRevision | undefined;
}

/** Less than a day, after which the ledger forgets the stream's charges. */
const VALID_MS = 23 * 3_600_000;
const PREFIX = "rs";

const encoder = new TextEncoder();

export async function resumeToken(
  secret: string,
  accountId: AccountId,
  { stream, line, terms, revision }: ResumePoint,
  nowMs: number,
): Promise<string> {
  const body = [PREFIX, stream, String(line), terms, revision ?? "", String(nowMs)].join("_");
  return `${body}_${await sealOf(secret, accountId, body)}`;
}

/** Throws `invalid_value`. */
export async function readResumeToken(
  secret: string,
  accountId: AccountId,
  token: string,
  nowMs: number,
): Promise<ResumePoint> {
  const [prefix, stream = "", line = "", terms = "", revision = "", madeAtMs = "", seal = "", ...rest] =
    token.split("_");
  const body = token.slice(0, -(seal.length + 1));
  const isOurs = prefix === PREFIX && rest.length === 0 && seal !== "";
  if (!isOurs || !(await equalTexts(seal, await sealOf(secret, accountId, body)))) {
    throw wrong("the `resume` of a line that this account got, unchanged");
  }
  if (Number(madeAtMs) + VALID_MS < nowMs) {
    throw wrong(`not older than ${VALID_MS / 3_600_000} hours: begin a new stream with the lines from ${line} on`);
  }
  return { stream, line: Number(line), terms, revision: parseRevision(revision) };
}

function wrong(rule: string) {
  return apiError("invalid_value", `\`resume\` must be ${rule}.`, "resume");
}

async function sealOf(secret: string, accountId: AccountId, body: string): Promise<string> {
  const hash = await bodyHashOf(secret, encoder.encode(`stream of ${accountId}\n${body}`));
  return hash.slice(0, 32);
}
