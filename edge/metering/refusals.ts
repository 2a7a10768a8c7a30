// The wallet's refusals as public errors. Exhaustive: a refusal without an error does not compile.

import { unreachable } from "../../shared/assert.ts";
import type { Fault } from "../../shared/errors.ts";
import { ApiError } from "../../shared/errors.ts";
import { formatUsd } from "../../shared/money.ts";
import type { Refusal } from "../ledger/types.ts";
import type { Refused } from "../wallet/wallet-types.ts";
import type { Context } from "../context.ts";

/** The error to throw. Its answer has the headers of the caller's limits and credit. */
export function refusedError(c: Context, { refusal, standing }: Refused): ApiError {
  if (standing !== undefined) c.set("standing", standing);
  return new ApiError(faultOfRefusal(refusal));
}

export function faultOfRefusal(refusal: Refusal): Fault {
  switch (refusal.kind) {
    case "unknown_key":
      return fault("invalid_api_key", "This API key is not known: it was never issued here, or its account is gone.");
    case "revoked":
      return fault("invalid_api_key", "This API key was revoked: use another, or create one.");
    case "expired":
      return fault(
        "expired_api_key",
        `This API key expired at ${new Date(refusal.expiredAtMs).toISOString()}: create another.`,
      );
    case "suspended":
      return fault("account_suspended", "This account is suspended: write to support to learn why.");
    case "scope":
      return fault(
        "insufficient_scope",
        `This call needs a key with the scope \`${refusal.needed}\`; this key has ${list(refusal.granted)}.`,
      );
    case "model":
      return fault(
        "model_not_allowed",
        `This key may not use \`${refusal.model}\`, only ${list(refusal.allowed)}.`,
        "model",
      );
    case "ip":
      return fault("address_not_allowed", `This key may not be used from ${refusal.ip}.`);
    case "reach":
      return fault(
        "insufficient_scope",
        `A key makes, changes and revokes no key that may do more than itself, and raises no limit of its own: \`${refusal.term}\` must stay within its own.`,
        refusal.term,
      );
    case "bounded_key":
      return fault(
        "insufficient_scope",
        "A key with a spending cap or rates of its own makes, changes and rotates no other key: the two together could do more than it may.",
      );
    case "insufficient_credit":
      return creditFault(refusal);
    case "credit_held":
      return {
        ...fault(
          "credit_held",
          `This call needs $${formatUsd(refusal.neededNanoUsd)}; the credit is there but held for other calls, for ${Math.ceil(refusal.heldMs / 1000)} s at most. Try again in a second.`,
        ),
        retryAfterS: 1,
      };
    case "rate_limited":
      return {
        ...fault(
          "rate_limit_exceeded",
          `Over the limit of ${refusal.limit} ${refusal.window} a minute of this ${refusal.which} (this call: ${refusal.needed}). Try again in ${Math.ceil(refusal.retryAfterMs / 1000)} s.`,
        ),
        retryAfterS: refusal.retryAfterMs / 1000,
      };
    case "over_limit":
      return fault(
        "limit_exceeded",
        `This call takes ${refusal.needed} ${refusal.window}, more than the whole limit of ${refusal.limit} ${refusal.window} a minute of this ${refusal.which}: no waiting helps. Send smaller calls, or raise the limit.`,
      );
    case "ledger_unavailable":
      return {
        ...fault("ledger_unavailable", "The ledger did not answer in time; nothing was run or charged."),
        retryAfterS: 1,
      };
    default:
      return unreachable(refusal);
  }
}

function creditFault(refusal: Extract<Refusal, { kind: "insufficient_credit" }>): Fault {
  const needed = `This call needs ${refusal.isBound === true ? "up to " : ""}$${formatUsd(refusal.neededNanoUsd)}`;
  const left = `$${formatUsd(refusal.spendableNanoUsd)}`;
  switch (refusal.which) {
    case "account":
      return fault("insufficient_credit", `${needed}; the account can spend ${left}. Nothing was run: top up first.`);
    case "key_cap":
      return fault("key_cap_reached", `${needed}; the spending cap of this key leaves ${left}. Nothing was run.`);
    case "monthly_limit":
      return fault("monthly_limit_reached", `${needed}; the account's monthly limit leaves ${left}. Nothing was run.`);
    default:
      return unreachable(refusal.which);
  }
}

function fault(code: Fault["code"], message: string, param: string | null = null): Fault {
  return { code, message, param };
}

function list(names: readonly string[]): string {
  return names.length === 0 ? "none" : names.map((name) => `\`${name}\``).join(", ");
}
