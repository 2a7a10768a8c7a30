// A key's secret is stored only as HMAC-SHA-256 under a pepper (a Worker secret). Two peppers are live while one is
// rotated: a row names its pepper, and callers send hashes under both.

import { hex, hmac, importHmacKey } from "../../shared/hmac.ts";
import type { SecretHash } from "../ledger/types.ts";

const PEPPER_ID_LENGTH = 8;
const encoder = new TextEncoder();

interface Pepper {
  readonly id: string;
  readonly key: CryptoKey;
}

export class Peppers {
  private readonly peppers: Promise<Pepper[]>;

  /** `texts`: the current pepper, then the previous one while it is rotated. */
  constructor(texts: readonly string[]) {
    this.peppers = Promise.all(texts.map(importPepper));
  }

  /** Hashes of `secret` under every pepper in force, the current one first. */
  async hashes(secret: Uint8Array): Promise<SecretHash[]> {
    const peppers = await this.peppers;
    return Promise.all(peppers.map(async ({ id, key }) => ({ pepperId: id, hash: hex(await hmac(key, secret)) })));
  }
}

/** A pepper's id is a keyed hash: the same in every isolate, and it reveals nothing. */
async function importPepper(text: string): Promise<Pepper> {
  const key = await importHmacKey(text);
  const id = hex(await hmac(key, encoder.encode("pepper id"))).slice(0, PEPPER_ID_LENGTH);
  return { id, key };
}
