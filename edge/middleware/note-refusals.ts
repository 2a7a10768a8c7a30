// Records at the account, after the answer, refusals that the key's owner can mend. The owner sees them beside the key
// (GET /v1/keys, dashboard), even where nobody reads the refused program's log.

import { LRUCache } from "lru-cache";
import { accountStub } from "../account/account-stub.ts";
import { MENDABLE, REPEAT_MS } from "../keys/refused-keys.ts";
import type { MendableCode } from "../keys/refused-keys.ts";
import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";

/**
 * What this isolate has recorded lately, so that a program that is refused all day does not wake the object each time.
 */
const noted = new LRUCache<string, true>({ max: 5000, ttl: REPEAT_MS });

/** Called after each answer of the public API. */
export function noteRefusal(c: Context): void {
  const code = MENDABLE.find((known) => known === c.get("fault")?.code);
  if (code !== undefined && c.get("key") !== undefined) waitUntilOf(c)(note(c, code));
}

async function note(c: Context, code: MendableCode): Promise<void> {
  const key = c.get("key");
  const hashes = await c.get("services").peppers.hashes(key.secret);
  const name = `${key.accountId} ${hashes[0]?.hash ?? ""} ${code}`;
  if (noted.has(name)) return;
  noted.set(name, true);
  try {
    await accountStub(c.env, key.accountId).noteRefusal(hashes, code);
  } catch {
    noted.delete(name); // the next refusal tries again
  }
}
