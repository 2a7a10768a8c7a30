// Every route of the API, in the order the document shows them.

import type { Route } from "./route.ts";
import { SESSIONS } from "./sessions.ts";

export const ROUTES: readonly Route[] = [...SESSIONS];
