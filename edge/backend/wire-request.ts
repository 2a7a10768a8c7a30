// Converts the routes' texts, or pairs, to the wire's request and its payload of token ids.

import { encodeBase62 } from "../../shared/base62.ts";
import { hmac, importHmacKey } from "../../shared/hmac.ts";
import type { AccountId, ModelRevision } from "../../shared/ids.ts";
import type { EmbedRequest, OnError, ScoreRequest, Tier, TokenEncoding, Truncation } from "../../shared/wire.ts";
import { WIRE_VERSION } from "../../shared/wire.ts";
import { LRUCache } from "lru-cache";
import type { CallText, ScoreQuery } from "../lib/call-text.ts";
import { assert } from "../../shared/assert.ts";

/** Texts for one model, on behalf of one account. */
export interface BackendTexts {
  readonly model: string;
  readonly accountId: AccountId;
  readonly tier: Tier;
  readonly texts: readonly CallText[];
  readonly prefix: string;
  /** Set for a reranker: the texts are documents. */
  readonly query?: ScoreQuery | undefined;
  readonly truncate: Truncation;
  /** Absent: a text at fault fails the call. */
  readonly onError?: OnError | undefined;
}

export type BackendRequest = EmbedRequest | ScoreRequest;

/** Whether it asks a reranker for scores. */
export function isScore(request: BackendRequest): request is ScoreRequest {
  return "documents" in request;
}

/** The texts of a request, or the documents of its pairs: the answer has a place for each. */
export function itemsOf(request: BackendRequest): EmbedRequest["texts"] {
  return isScore(request) ? request.documents : request.texts;
}

export interface WireRequest {
  readonly request: BackendRequest;
  /** Token ids of the texts that the request gives as counts, one text after the other. */
  readonly ids: Uint32Array;
}

const NO_IDS = new Uint32Array();

export function wireRequest(texts: BackendTexts, account: string, revision: ModelRevision | null): WireRequest {
  return texts.query === undefined
    ? embedRequest(texts, account, revision)
    : { request: scoreRequest(texts, texts.query, account, revision), ids: NO_IDS };
}

function scoreRequest(
  { model, tier, truncate, texts, onError }: BackendTexts,
  { text, instruction }: ScoreQuery,
  account: string,
  revision: ModelRevision | null,
): ScoreRequest {
  assert(truncate !== "start", "a reranker reads the beginning of a document");
  const documents = texts.map((document) => {
    assert(document.kind === "text", "documents are texts");
    return document.text;
  });
  const perItem = onError === "per_item" && { onError };
  const version = WIRE_VERSION;
  return { version, model, revision, account, tier, truncate, ...perItem, instruction, query: text, documents };
}

function embedRequest(texts: BackendTexts, account: string, revision: ModelRevision | null): WireRequest {
  let count = 0;
  for (const text of texts.texts) if (text.kind === "ids") count += text.ids.length;
  const ids = new Uint32Array(count);
  let offset = 0;
  let encoding: TokenEncoding | undefined;
  const wireTexts = texts.texts.map((text) => {
    if (text.kind === "text") return text.text;
    ids.set(text.ids, offset);
    ({ encoding } = text);
    offset += text.ids.length;
    return text.ids.length;
  });
  const { model, tier, truncate, prefix, onError } = texts;
  return {
    request: {
      version: WIRE_VERSION,
      model,
      revision,
      account,
      tier,
      truncate,
      prefix,
      texts: wireTexts,
      // All ids of a request have the same encoding.
      ...(encoding === undefined ? {} : { encoding }),
      ...(onError === "per_item" && { onError }),
    },
    ids,
  };
}

const NAME_BYTES = 10;
const NAMES_MAX = 4096;

/**
 * Names accounts for a backend's fair queues: an account always has the same name, and the name tells nothing about it.
 */
export class AccountNames {
  readonly #key: Promise<CryptoKey>;
  readonly #names = new LRUCache<AccountId, string>({ max: NAMES_MAX });

  constructor(secret: string) {
    this.#key = importHmacKey(secret);
  }

  nameOf(accountId: AccountId): string | Promise<string> {
    return this.#names.get(accountId) ?? this.#name(accountId);
  }

  async #name(accountId: AccountId): Promise<string> {
    const digest = await hmac(await this.#key, new TextEncoder().encode(`account:${accountId}`));
    const name = encodeBase62(digest.subarray(0, NAME_BYTES));
    this.#names.set(accountId, name);
    return name;
  }
}
