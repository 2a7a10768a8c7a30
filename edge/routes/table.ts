// Every route of the API, in the document's order.

import { ACCOUNT_ROUTES } from "./account/account.ts";
import { DELETE_ACCOUNT } from "./account/delete-account.ts";
import { EXPORT_ACCOUNT } from "./account/export-account.ts";
import { PROOF_ROUTES } from "./account/proofs.ts";
import { TRANSACTIONS } from "./account/transactions.ts";
import { CREATE_ACCOUNT_KEY } from "./admin/account-keys.ts";
import { ADMIN_ACCOUNTS } from "./admin/accounts.ts";
import { AUDIT } from "./admin/audit.ts";
import { BACKUP } from "./admin/backup.ts";
import { CREATE_GRANT } from "./admin/grants.ts";
import { ADMIN_MODELS } from "./admin/models.ts";
import { RECONCILE } from "./admin/reconcile.ts";
import { CREATE_REFUND } from "./admin/refunds.ts";
import { ADMIN_REVISIONS } from "./admin/revisions.ts";
import { STATS } from "./admin/stats.ts";
import { ALERTS } from "./alerts.ts";
import { BATCHES } from "./batches/batches.ts";
import { CANARIES_ROUTES } from "./canaries.ts";
import { documentRoutes } from "./documents.ts";
import { EMBEDDINGS } from "./embeddings.ts";
import { FILES } from "./files/files.ts";
import { CREATE_FILE } from "./files/upload-file.ts";
import { COHERE_EMBED } from "./foreign/cohere.ts";
import { GEMINI_ROUTES } from "./foreign/gemini.ts";
import { OLLAMA_ROUTES } from "./foreign/ollama.ts";
import { TEI_ROUTES } from "./foreign/tei.ts";
import { HEALTH } from "./health.ts";
import { JWKS } from "./jwks.ts";
import { KEYS } from "./keys/keys.ts";
import { REPORT_LEAK } from "./keys/report-leak.ts";
import { METRICS } from "./metrics.ts";
import { GET_MODEL, GET_MODEL_BY_NAME, LIST_MODELS } from "./models.ts";
import { RERANK } from "./rerank.ts";
import { MIGRATE_REPORT } from "./migrate.ts";
import type { Route } from "./route.ts";
import { SESSIONS } from "./sessions.ts";
import { SIMILARITY } from "./similarity.ts";
import { STATUS } from "./status.ts";
import { TOKENIZE } from "./tokenize.ts";
import { TOP_UPS } from "./top-ups.ts";
import { ORGANIZATION } from "./usage/organization.ts";
import { USAGE } from "./usage/usage.ts";
import { WEBHOOKS } from "./webhooks.ts";

export const ROUTES: readonly Route[] = [
  ...EMBEDDINGS,
  SIMILARITY,
  ...RERANK,
  TOKENIZE,
  COHERE_EMBED,
  ...GEMINI_ROUTES,
  ...OLLAMA_ROUTES,
  ...TEI_ROUTES,
  LIST_MODELS,
  // Before the routes of a model, whose paths would match too.
  ...CANARIES_ROUTES,
  GET_MODEL,
  GET_MODEL_BY_NAME,
  MIGRATE_REPORT,
  CREATE_FILE,
  ...FILES,
  ...BATCHES,
  ...ACCOUNT_ROUTES,
  TRANSACTIONS,
  ...PROOF_ROUTES,
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
  ...HEALTH,
  STATUS,
  JWKS,
  METRICS,
  ...documentRoutes(() => ROUTES),
  ...ADMIN_ACCOUNTS,
  CREATE_GRANT,
  CREATE_REFUND,
  CREATE_ACCOUNT_KEY,
  ...ADMIN_MODELS,
  ...ADMIN_REVISIONS,
  STATS,
  AUDIT,
  ...BACKUP,
  RECONCILE,
];
