// The whole Worker inside workerd, called as a client calls it, in front of backends in memory: for tests of routes.
// One Worker per test file: its services are one per isolate, and own-isolate.ts forgets them behind each file.

import { env } from "cloudflare:test";
import { accountStub } from "../../../edge/account/account-stub.ts";
import { createFetch } from "../../../edge/app.ts";
import type { Env } from "../../../edge/bindings.ts";
import { insertAccount } from "../../../edge/directory/accounts.ts";
import { openApiDocument } from "../../../edge/openapi/document.ts";
import { ACTOR } from "../../../edge/routes/admin/act.ts";
import { ROUTES } from "../../../edge/routes/table.ts";
import { WALLET_SETTINGS } from "../../../edge/wallet/wallet.ts";
import { newId } from "../../../shared/ids.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { OpenApiCheck } from "../../support/openapi-check.ts";
import { TEST_BINDINGS } from "../../support/test-bindings.ts";
import { contextsSettled, newContext } from "./contexts.ts";
import { directoryTables } from "./directory-tables.ts";
import { FakeBackend, MODEL, fetchOf } from "./fake-backends.ts";

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed JSON; empty where the answer is none. The tests say what they expect of it. */
  readonly body: Record<string, unknown>;
}

export interface ApiCall {
  readonly method?: string;
  readonly key?: string;
  readonly headers?: Record<string, string>;
  /** An object is sent as JSON, anything else as it is. */
  readonly body?: unknown;
}

const ORIGIN = "https://api.test";
/** Usage is reported behind each answer, and not two seconds later: each file would wait for its last report. */
const AT_ONCE = { syncWindowMs: 10, busySyncWindowMs: 10 };
const published = new OpenApiCheck(openApiDocument(ORIGIN, ROUTES));

/** The Worker under test with one backend, made at the top of a test file; `settings` go on top of its bindings. */
export class Api {
  readonly backend = new FakeBackend("https://backend.test");
  /** Whom the Worker reaches; further ones need a row of `BACKENDS`. */
  readonly backends = [this.backend];
  readonly #fetch = createFetch();
  readonly #env: Env;

  constructor(settings: Partial<Env> = {}) {
    // For good: what the Worker does behind an answer reaches its backend too.
    globalThis.fetch = (url, init) =>
      fetchOf(this.backends)(url instanceof Request ? url.url : String(url), init ?? {});
    Object.assign(WALLET_SETTINGS, AT_ONCE); // until the end of the file: own-isolate.ts
    this.#env = { ...env, BACKENDS: JSON.stringify([{ model: MODEL, origin: this.backend.origin }]), ...settings };
  }

  async call(path: string, call: ApiCall = {}): Promise<ApiAnswer> {
    const response = await this.open(path, call);
    // Not text(): it warns of types that are text to nobody but us.
    const text = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true }).decode(await response.arrayBuffer());
    const contentType = response.headers.get("content-type");
    const method = methodOf(call);
    const fault = published.fault({ method, path, status: response.status, contentType, text });
    if (fault !== undefined) throw new Error(`an answer that the published document does not have: ${fault}`);
    return { status: response.status, headers: response.headers, text, body: parsed(text) };
  }

  /** The same, for a test that reads the answer as it comes. `signal`: the client's, who leaves. */
  async open(path: string, call: ApiCall & { readonly signal?: AbortSignal } = {}): Promise<Response> {
    const { key, headers = {}, body, signal } = call;
    await directoryTables();
    const isRaw = body instanceof Uint8Array || body instanceof ReadableStream;
    const isJson = typeof body === "object" && body !== null && !isRaw;
    const content = isJson ? JSON.stringify(body) : (body as BodyInit | undefined);
    const request = new Request(ORIGIN + path, {
      method: methodOf(call),
      headers: {
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        ...(isJson ? { "content-type": "application/json" } : {}),
        // As every HTTP client announces it; the runtime adds it to no request that is made here.
        ...(typeof content === "string" ? { "content-length": String(new TextEncoder().encode(content).length) } : {}),
        ...headers,
      },
      ...(content === undefined ? {} : { body: content }),
      ...(signal === undefined ? {} : { signal }),
    });
    return this.#fetch(request, this.#env, newContext());
  }

  readonly settled = contextsSettled;

  admin(path: string, body?: unknown, method?: string): Promise<ApiAnswer> {
    return this.call(path, { key: TEST_BINDINGS.ADMIN_KEY, body, ...(method === undefined ? {} : { method }) });
  }

  /**
   * An account of its own with $5 and limits that no test reaches; `terms` are its key's. Made as the operator's routes make
   * it, but without them: they take twice the processor time, and hundreds of tests begin here.
   */
  async newAccount(terms: object = {}): Promise<{ readonly id: string; readonly key: string }> {
    await directoryTables();
    const [id, account] = [newId("account"), { name: "Test" }];
    await insertAccount(env.DIRECTORY, { id, ...account, createdAtMs: Date.now() });
    const stub = accountStub(env, id);
    const credit = { id: newId("grant"), kind: "promo", amountNanoUsd: nanoUsd(5_000_000_000) } as const;
    await stub.setUp({ accountId: id, ...account }, credit, ACTOR);
    await stub.setLimits({ requestsPerMinute: 1_000_000, tokensPerMinute: 1_000_000_000 }, ACTOR);
    return { id, key: String((await this.admin(`/admin/accounts/${id}/keys`, terms)).body["key"]) };
  }
}

function methodOf({ method, body }: ApiCall): string {
  return method ?? (body === undefined ? "GET" : "POST");
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}
