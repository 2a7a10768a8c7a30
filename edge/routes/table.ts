// Every route of the API, in the order the document shows them.

import { ALERTS } from "./alerts.ts";
import { KEYS } from "./keys/keys.ts";
import { REPORT_LEAK } from "./keys/report-leak.ts";
import type { Route } from "./route.ts";
import { SESSIONS } from "./sessions.ts";
import { ORGANIZATION } from "./usage/organization.ts";
import { USAGE } from "./usage/usage.ts";
import { WEBHOOKS } from "./webhooks.ts";

export const ROUTES: readonly Route[] = [
  USAGE,
  ...ORGANIZATION,
  ...ALERTS,
  ...WEBHOOKS,
  ...KEYS,
  REPORT_LEAK,
  ...SESSIONS,
];
