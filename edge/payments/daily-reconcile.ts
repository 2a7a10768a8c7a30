// The daily job that reconciles the last days' events: missed and refused ones are logged and reported as an alert.

import type { Env } from "../bindings.ts";
import { describeError, writeLog } from "../lib/log.ts";
import { readConfig } from "../settings.ts";
import type { CanaryPorts } from "../watch/canary.ts";
import { sendAlert } from "../watch/canary.ts";
import { reconcilePage, stripeOfConfig } from "./reconcile.ts";

/** At this minute of the day, UTC. */
const MINUTE_OF_DAY = 4 * 60 + 7;
const MINUTE_MS = 60_000;
/** As long as Stripe retries a delivery, so that the next job makes up for a failed one. */
const DAYS = 3;
const DAY_S = 86_400;
const PAGES_MAX = 3;

/** Runs only at its minute, and only if the deployment takes cards. Never throws. */
export async function reconcileDaily(env: Env, scheduledMs: number, ports: CanaryPorts): Promise<void> {
  if (Math.floor(scheduledMs / MINUTE_MS) % (DAY_S / 60) !== MINUTE_OF_DAY) return;
  try {
    const config = readConfig(env);
    const stripe = stripeOfConfig(config);
    if (stripe === undefined) return;
    const sinceS = Math.floor(scheduledMs / 1000) - DAYS * DAY_S;
    let after: string | undefined;
    let [checked, missed, refused] = [0, 0, 0];
    for (let page = 0; page < PAGES_MAX; page += 1) {
      const found = await reconcilePage(env, stripe, sinceS, after);
      checked += found.checked;
      missed += found.missed.length;
      refused += found.refused.length;
      for (const { event, reason } of found.refused) {
        writeLog({ level: "error", event: "stripe_event_refused", id: event, message: reason });
      }
      after = found.next;
      if (after === undefined) break;
    }
    const isWell = missed === 0 && refused === 0 && after === undefined;
    writeLog({ level: isWell ? "info" : "error", event: "reconciled", checked, missed, refused });
    if (isWell || config.ALERT_WEBHOOK_URL === undefined) return;
    const rest = after === undefined ? "" : " More events wait: npm run reconcile.";
    const text = `Stripe: ${missed} of ${checked} events had been missed and are in the books now, ${refused} are refused.${rest}`;
    await sendAlert(ports, config.ALERT_WEBHOOK_URL, text);
  } catch (error) {
    writeLog({ level: "error", event: "reconcile_failed", ...describeError(error) });
  }
}
