// The Worker's log: one JSON object per line, whose fields Workers Logs index. Nothing else writes to the console. No
// line holds a text, a key, a path or a query: an error's message comes from us or the runtime, and what it may quote
// is cut.

import { ApiError, ERRORS } from "../../shared/errors.ts";
import type { ErrorCode } from "../../shared/errors.ts";

export interface LogLine {
  readonly level: "info" | "error";
  readonly event: string;
  readonly [field: string]: string | number | undefined;
}

export function writeLog(line: LogLine): void {
  // oxlint-disable-next-line no-console -- Workers Logs collect console output.
  console[line.level === "error" ? "error" : "log"](JSON.stringify(line));
}

const CAUSES_MAX = 4;
const FRAMES_MAX = 12;
const MESSAGE_LENGTH_MAX = 500;
const BUSY: ReadonlySet<ErrorCode> = new Set(["overloaded", "model_not_ready"]);
/** Parsers quote what they could not parse. */
const QUOTING_ERRORS: ReadonlySet<string> = new Set(["SyntaxError", "ZodError"]);
/** Text in quotes, and text that looks like one of our keys or Stripe's. */
const QUOTED = /"[^"]*"|`[^`]*`|'[^']*'|“[^”]*”/g;
const KEY = /\b(?:gr-|[sr]k_|whsec_)[\w-]+/g;

/** An error for the log: its class and message, those of its causes, and the frames of the innermost. */
export function describeError(error: unknown): { readonly error: string; readonly stack?: string } {
  const chain: string[] = [];
  let innermost: unknown;
  for (let at: unknown = error; at !== undefined && at !== null && chain.length < CAUSES_MAX;) {
    innermost = at;
    chain.push(at instanceof Error ? `${at.name}: ${safeMessage(at)}` : typeof at);
    at = at instanceof Error ? at.cause : undefined;
  }
  const frames = innermost instanceof Error ? framesOf(innermost) : "";
  return { error: chain.join(" ← "), ...(frames !== "" && { stack: frames }) };
}

/** Logs `error` if it is our own fault (not a refusal, not a cold or busy model), and returns it. */
export function loggedFault(event: string, error: unknown): unknown {
  const code = error instanceof ApiError ? error.fault.code : undefined;
  const isExpected = code !== undefined && (ERRORS[code].status < 500 || BUSY.has(code));
  if (!isExpected) writeLog({ level: "error", event, code, ...describeError(error) });
  return error;
}

function safeMessage({ name, message }: Error): string {
  if (QUOTING_ERRORS.has(name)) return "(its message may quote what it read)";
  return message.replaceAll(QUOTED, "…").replaceAll(KEY, "…").slice(0, MESSAGE_LENGTH_MAX);
}

function framesOf(error: Error): string {
  const lines = (error.stack ?? "").split("\n").filter((line) => line.trimStart().startsWith("at "));
  return lines.slice(0, FRAMES_MAX).join("\n");
}
