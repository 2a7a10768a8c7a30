// The free credit of a new account: once for each person whom another service vouches for, however many accounts they
// create and delete. The person's account there must be old enough, and if the operator demands it, a card must be
// saved. Credit that is not due at one sign-in is checked again at the next.

import { accountStub } from "../account/account-stub.ts";
import type { Env } from "../bindings.ts";
import type { Identity } from "../directory/identities.ts";
import type { Config } from "../settings.ts";
import { nanoUsd } from "../../shared/money.ts";

const AMOUNT = nanoUsd(5_000_000_000);
/** A fresh account elsewhere, made only for the credit, must wait. */
const AGE_DAYS = 30;
const DAY_MS = 86_400_000;
const GRANT_ID = "free-credit";

/**
 * Grants the credit if it is due; repeating it has no effect. `bornMs`: when the other service's account was created.
 */
export async function giveFreeCredit(
  env: Pick<Env, "ACCOUNT">,
  config: Config,
  { accountId, accountsMade }: Identity,
  person: { readonly bornMs: number | undefined; readonly actor: string },
): Promise<void> {
  const amountNanoUsd = config.FREE_CREDIT_USD ?? AMOUNT;
  if (amountNanoUsd === 0 || accountsMade !== 1) return;
  const ageMs = (config.FREE_CREDIT_AGE_DAYS ?? AGE_DAYS) * DAY_MS;
  // An unknown age counts as new, unless any age will do.
  if (ageMs > 0 && (person.bornMs === undefined || Date.now() - person.bornMs < ageMs)) return;
  const stub = accountStub(env, accountId);
  if (config.FREE_CREDIT_ASKS_CARD === true && (await stub.billing())?.card === undefined) return;
  await stub.grant({ id: GRANT_ID, kind: "free", amountNanoUsd }, person.actor);
}
