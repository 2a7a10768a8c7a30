// Verifies a key's tag from memory, before the body is read: a mistyped or forged key costs no look-up and wakes no
// object. Whether a genuine key is still in force is for the ledger to decide (wallet).

import { createMiddleware } from "hono/factory";
import { LRUCache } from "lru-cache";
import type { AppEnv, Context } from "../context.ts";
import { apiError } from "../../shared/errors.ts";
import type { ParsedKey } from "../../shared/keys.ts";
import { KEY_PREFIX, parseKey } from "../../shared/keys.ts";

const BEARER = /^bearer +(\S+) *$/i;

/** Middleware: `identify`. */
export const authenticate = createMiddleware<AppEnv>(async (c, next) => {
  await identify(c);
  await next();
});

/** Sets `key`, or throws `missing_api_key` / `invalid_api_key`. Undefined, so no wait, for a key that was verified before. */
export function identify(c: Context): Promise<void> | undefined {
  const key = keyOfText(c, presentedKey(c));
  if (key instanceof Promise) return setKey(c, key);
  c.set("key", key);
  return undefined;
}

async function setKey(c: Context, verifying: Promise<ParsedKey>): Promise<void> {
  c.set("key", await verifying);
}

/**
 * The key's text from `Authorization: Bearer`, or from `api-key` or `x-api-key`, which some clients send, or where the
 * clients of the route's vendor put it.
 */
export function presentedKey(c: Context): string {
  const authorization = c.req.header("authorization");
  const keyHeader = c.get("vendor")?.keyHeader;
  const text =
    authorization === undefined
      ? (c.req.header("api-key") ?? c.req.header("x-api-key") ?? c.req.header(keyHeader ?? "x-api-key"))
      : BEARER.exec(authorization)?.[1];
  if (text !== undefined && text !== "") return text;
  const header = keyHeader === undefined ? "Authorization: Bearer " : `${keyHeader}: `;
  throw apiError("missing_api_key", `No API key: send the header \`${header}${KEY_PREFIX}…\`.`);
}

/** Keys with a verified tag: verifying again costs more than this look-up. An isolate's tag keys never change. */
const verified = new LRUCache<string, ParsedKey>({ max: 5000 });

/** The key behind `text`, if this isolate has verified it before. */
export function knownKey(text: string): ParsedKey | undefined {
  return verified.get(text);
}

/** The verified key behind `text`; throws `invalid_api_key`. */
export function keyOfText(c: Context, text: string): ParsedKey | Promise<ParsedKey> {
  return knownKey(text) ?? verify(c, text);
}

async function verify(c: Context, text: string): Promise<ParsedKey> {
  const services = c.get("services");
  const key = await parseKey(text, await services.tagKeys);
  if (key !== undefined) {
    verified.set(text, key);
    return key;
  }
  const hint = text.startsWith(KEY_PREFIX) ? "it is mistyped or cut off" : `our keys begin with \`${KEY_PREFIX}\``;
  throw apiError("invalid_api_key", `This API key is not one of ours: ${hint}.`);
}
