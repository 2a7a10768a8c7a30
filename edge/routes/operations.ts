// Every route of the API, in the order the document shows them.

import type { Operation } from "../openapi/operation.ts";
import { ACCOUNT_ROUTES } from "./account/account.ts";
import { DELETE_ACCOUNT } from "./account/delete-account.ts";
import { EXPORT_ACCOUNT } from "./account/export-account.ts";
import { TRANSACTIONS } from "./account/transactions.ts";
import { CREATE_ACCOUNT_KEY } from "./admin/account-keys.ts";
import { ADMIN_ACCOUNTS } from "./admin/accounts.ts";
import { AUDIT } from "./admin/audit.ts";
import { BACKUP } from "./admin/backup.ts";
import { CREATE_GRANT } from "./admin/grants.ts";
import { ADMIN_MODELS } from "./admin/models.ts";
import { RECONCILE } from "./admin/reconcile.ts";
import { CREATE_REFUND } from "./admin/refunds.ts";
import { STATS } from "./admin/stats.ts";
import { ALERTS } from "./alerts.ts";
import { BATCHES } from "./batches/batches.ts";
import { EMBEDDINGS } from "./embeddings.ts";
import { FILES } from "./files/files.ts";
import { CREATE_FILE } from "./files/upload-file.ts";
import { KEYS } from "./keys/keys.ts";
import { REPORT_LEAK } from "./keys/report-leak.ts";
import { MODELS } from "./paths/models.ts";
import { SERVICE } from "./paths/service.ts";
import { RERANK } from "./rerank.ts";
import { SESSIONS } from "./sessions.ts";
import { SIMILARITY } from "./similarity.ts";
import { TOKENIZE } from "./tokenize.ts";
import { TOP_UPS } from "./top-ups.ts";
import { ORGANIZATION } from "./usage/organization.ts";
import { USAGE } from "./usage/usage.ts";
import { WEBHOOKS } from "./webhooks.ts";

export const OPERATIONS: readonly Operation[] = [
  ...EMBEDDINGS,
  SIMILARITY,
  ...RERANK,
  TOKENIZE,
  ...MODELS,
  CREATE_FILE,
  ...FILES,
  ...BATCHES,
  ...ACCOUNT_ROUTES,
  TRANSACTIONS,
  EXPORT_ACCOUNT,
  DELETE_ACCOUNT,
  USAGE,
  ...ORGANIZATION,
  ...TOP_UPS,
  ...ALERTS,
  ...WEBHOOKS,
  ...KEYS,
  REPORT_LEAK,
  ...SESSIONS,
  ...SERVICE,
  ...ADMIN_ACCOUNTS,
  CREATE_GRANT,
  CREATE_REFUND,
  CREATE_ACCOUNT_KEY,
  ...ADMIN_MODELS,
  STATS,
  AUDIT,
  ...BACKUP,
  RECONCILE,
];
