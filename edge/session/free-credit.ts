// The free credit of a new account: once for each person that another service vouches for, whatever accounts they make
// and delete; only for a person whose account there is old enough, and where the operator asks for it only with a card.
// What is not due at the first sign-in is looked at again at the next.

import { accountStub } from "../account/account-stub.ts";
import type { Env } from "../bindings.ts";
import type { Identity } from "../directory/identities.ts";
import type { Config } from "../settings.ts";
import { nanoUsd } from "../../shared/money.ts";

const AMOUNT = nanoUsd(5_000_000_000);
/** An account made for the credit alone costs at least a wait. */
const AGE_DAYS = 30;
const DAY_MS = 86_400_000;
const GRANT_ID = "free-credit";

/** Grants what is due; the same grant again has no effect. `bornMs`: when the other service's account was made. */
export async function giveFreeCredit(
  env: Pick<Env, "ACCOUNT">,
  config: Config,
  { accountId, accountsMade }: Identity,
  person: { readonly bornMs: number | undefined; readonly actor: string },
): Promise<void> {
  const amountNanoUsd = config.FREE_CREDIT_USD ?? AMOUNT;
  if (amountNanoUsd === 0 || accountsMade !== 1) return;
  const ageMs = (config.FREE_CREDIT_AGE_DAYS ?? AGE_DAYS) * DAY_MS;
  // Of an unknown age counts as new, unless any age will do.
  if (ageMs > 0 && (person.bornMs === undefined || Date.now() - person.bornMs < ageMs)) return;
  const stub = accountStub(env, accountId);
  if (config.FREE_CREDIT_ASKS_CARD === true && (await stub.billing())?.card === undefined) return;
  await stub.grant({ id: GRANT_ID, kind: "free", amountNanoUsd }, person.actor);
}
