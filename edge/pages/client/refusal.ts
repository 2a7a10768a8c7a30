// Why a key was last refused, in words.

import { formatTime } from "./format.ts";
import type { ApiKey } from "./types.ts";

const WORDS: Readonly<Record<string, string>> = {
  insufficient_credit: "the account’s credit is used up",
  key_cap_reached: "the key’s spending cap is reached",
  monthly_limit_reached: "the account’s monthly limit is reached",
  rate_limit_exceeded: "more calls or tokens a minute than its limit",
  limit_exceeded: "a call larger than the whole limit a minute",
  expired_api_key: "the key has expired",
  insufficient_scope: "the key’s scopes do not cover the call",
  model_not_allowed: "the key may not use that model",
  address_not_allowed: "the key may not be used from that address",
};

/** `Refused 24 Nov 2026, 13:05: the key’s spending cap is reached`; undefined if it never was. */
export function refusalOf({ last_refusal: last }: ApiKey): string | undefined {
  if (last === undefined || last === null) return undefined;
  return `Refused ${formatTime(last.at)}: ${WORDS[last.code] ?? last.code}`;
}
