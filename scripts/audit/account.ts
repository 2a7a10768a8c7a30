// What the API says of the audited account and key: readings of the books in traffic, and the books at rest.

import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import type { Books, Figures, Line, Reading, Usage } from "./history.ts";
import { NO_FIGURES, usageName } from "./history.ts";
import type { Api } from "../embed/api.ts";
import { checked } from "../embed/service.ts";
import { Stop } from "../embed/stop.ts";

const S_PER_HOUR = 3600;
const S_PER_DAY = 86_400;
const LINES_A_PAGE = 100;
const PAGES_MAX = 100;
const REST_TRIES_MAX = 8;
const REST_PAUSE_MS = 1000;

const keySchema = z.object({ id: z.string() });
const accountSchema = z.object({
  id: z.string(),
  balance_nano_usd: z.int(),
  held_nano_usd: z.int(),
  spendable_nano_usd: z.int(),
});
const usageSchema = z.object({
  data: z.array(
    z.object({
      results: z.array(
        z.object({
          model: z.string(),
          key_id: z.string(),
          tier: z.string(),
          requests: z.int(),
          input_tokens: z.int(),
          cost_nano_usd: z.int(),
        }),
      ),
    }),
  ),
});
const linesSchema = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      at: z.number(),
      kind: z.string(),
      amount_nano_usd: z.int(),
      balance_after_nano_usd: z.int(),
      key_id: z.string().optional(),
      model: z.string().optional(),
    }),
  ),
  next_page: z.nullable(z.string()),
});

export class AuditedAccount {
  readonly accountId: string;
  readonly keyId: string;
  readonly #api: Api;
  readonly #now: () => number;
  /** Unix s: usage is asked for from this day on, lines from this hour on, with room for clocks that differ. */
  readonly #usageFrom: number;
  readonly #linesFrom: number;

  private constructor(api: Api, now: () => number, ids: { readonly accountId: string; readonly keyId: string }) {
    this.#api = api;
    this.#now = now;
    this.accountId = ids.accountId;
    this.keyId = ids.keyId;
    const nowS = Math.floor(Date.now() / 1000);
    this.#usageFrom = (Math.floor(nowS / S_PER_DAY) - 1) * S_PER_DAY;
    this.#linesFrom = (Math.floor(nowS / S_PER_HOUR) - 1) * S_PER_HOUR;
  }

  /** Throws Stop or Refusal. `now`: the audit's clock, ms. */
  static async open(api: Api, now: () => number): Promise<AuditedAccount> {
    const { id: keyId } = checked(api, keySchema, (await api.call({ path: "/v1/key" })).json);
    const { id: accountId } = checked(api, accountSchema, (await api.call({ path: "/v1/account" })).json);
    return new AuditedAccount(api, now, { accountId, keyId });
  }

  /** Undefined: the API did not answer. */
  async tryReading(): Promise<Reading | undefined> {
    try {
      return await this.reading(1);
    } catch {
      return undefined;
    }
  }

  async reading(triesMax?: number): Promise<Reading> {
    const askedMs = this.#now();
    const account = await this.#account(triesMax);
    const usage = await this.#usage(triesMax);
    return {
      askedMs,
      answeredMs: this.#now(),
      balanceNanoUsd: account.balance_nano_usd,
      heldNanoUsd: account.held_nano_usd,
      usage,
    };
  }

  /** Usage, statement and balance of one moment. Throws Stop if the balance moves all the time. */
  async books(): Promise<Books> {
    for (let tries = 0; tries < REST_TRIES_MAX; tries += 1) {
      const reading = await this.reading();
      const lines = await this.#lines();
      const after = await this.#account();
      if (after.balance_nano_usd === reading.balanceNanoUsd) return { reading, lines };
      // A call that was left may still be charged.
      await sleep(REST_PAUSE_MS);
    }
    throw new Stop("The balance does not rest: somebody else spends from this account, so it cannot be audited now.");
  }

  async #account(triesMax?: number) {
    return checked(this.#api, accountSchema, (await this.#get("/v1/account", triesMax)).json);
  }

  async #usage(triesMax?: number): Promise<Usage> {
    const query = `start_time=${this.#usageFrom}&bucket_width=1d&limit=31&group_by=model,key,tier`;
    const { json } = await this.#get(`/v1/usage?${query}`, triesMax);
    const usage = new Map<string, Figures>();
    for (const result of checked(this.#api, usageSchema, json).data.flatMap(({ results }) => results)) {
      if (result.key_id !== this.keyId) continue;
      const name = usageName(result.model, result.tier);
      const before = usage.get(name) ?? NO_FIGURES;
      usage.set(name, {
        requests: before.requests + result.requests,
        tokens: before.tokens + result.input_tokens,
        costNanoUsd: before.costNanoUsd + result.cost_nano_usd,
      });
    }
    return usage;
  }

  /** Newest first, and one line more than those of the hours since the audit began, if there is one. */
  async #lines(): Promise<readonly Line[]> {
    const lines: Line[] = [];
    let page: string | undefined;
    for (let pages = 0; pages < PAGES_MAX; pages += 1) {
      const { json } = await this.#get(
        `/v1/transactions?limit=${LINES_A_PAGE}${page === undefined ? "" : `&page=${page}`}`,
      );
      const { data, next_page: next } = checked(this.#api, linesSchema, json);
      for (const line of data) {
        lines.push({
          id: line.id,
          at: line.at,
          kind: line.kind,
          amountNanoUsd: line.amount_nano_usd,
          balanceAfterNanoUsd: line.balance_after_nano_usd,
          keyId: line.key_id,
          model: line.model,
        });
        if (line.at < this.#linesFrom) return lines;
      }
      if (next === null) return lines;
      page = next;
    }
    throw new Stop(`The statement has over ${PAGES_MAX * LINES_A_PAGE} lines an hour, which the audit does not read.`);
  }

  #get(path: string, triesMax?: number) {
    return this.#api.call({ path, ...(triesMax !== undefined && { triesMax }) });
  }
}
