// Counts "I want this model" once a person: the account of a session, otherwise the address (for IPv6 its /64, which
// one subscriber has). The table holds keyed hashes, so it names nobody. After SESSION_SECRET is rotated a person can
// count once more. GET /admin/stats shows the counts.

import type { Context } from "../context.ts";
import { clientAddress } from "../context.ts";
import { AddressLimit, networkOf } from "../lib/address-limit.ts";
import { toBase64Url } from "../lib/base64-url.ts";
import { withDirectory } from "../directory/directory.ts";
import { personHash } from "../session/seal.ts";
import { readSession, sessionSecrets } from "../session/session.ts";
import { parseKey } from "../../shared/keys.ts";

const PERSON_BYTES = 16;

const TRIES_PER_MINUTE = 20;
const tries = new AddressLimit(TRIES_PER_MINUTE);

/** Counts the visitor of `c` for `model`, once a person. Throws `directory_unavailable`, `rate_limit_exceeded`. */
export async function recordWant(c: Context, model: string): Promise<void> {
  tries.take(clientAddress(c));
  const hash = await personHash(
    `${model}
${await personOf(c)}`,
    sessionSecrets(c),
  );
  const person = toBase64Url(hash.subarray(0, PERSON_BYTES));
  await withDirectory(() =>
    c.env.DIRECTORY.prepare("INSERT OR IGNORE INTO wants (model, person, at_ms) VALUES (?, ?, ?)")
      .bind(model, person, Date.now())
      .run(),
  );
}

async function personOf(c: Context): Promise<string> {
  const session = await readSession(c);
  const key = session === undefined ? undefined : await parseKey(session.apiKey, await c.get("services").tagKeys);
  return key === undefined ? networkOf(clientAddress(c)) : key.accountId;
}
