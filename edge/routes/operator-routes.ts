// The operator's routes and their middleware, registered in one place (app.ts calls it).

import type { Hono } from "hono";
import type { AppEnv } from "../context.ts";
import { operator } from "../middleware/operator.ts";
import { createAccount, createAccountKey, createGrant, getAccountBooks, listAccounts, patchAccount } from "./admin.ts";
import { getAudit } from "./admin-audit.ts";
import { getBackup, postRestore } from "./admin-backup.ts";
import { putModel } from "./admin-models.ts";
import { createRefund } from "./admin-refunds.ts";
import { postReconcile } from "./admin-reconcile.ts";
import { getStats } from "./admin-stats.ts";

export function addOperatorRoutes(app: Hono<AppEnv>): void {
  app.get("/admin/accounts", operator, listAccounts);
  app.post("/admin/accounts", operator, createAccount);
  app.get("/admin/accounts/:id", operator, getAccountBooks);
  app.patch("/admin/accounts/:id", operator, patchAccount);
  app.post("/admin/accounts/:id/grants", operator, createGrant);
  app.post("/admin/accounts/:id/refunds", operator, createRefund);
  app.post("/admin/accounts/:id/keys", operator, createAccountKey);
  app.put("/admin/models/:name", operator, putModel);
  app.put("/admin/models/:owner/:name", operator, putModel);
  app.get("/admin/stats", operator, getStats);
  app.get("/admin/audit", operator, getAudit);
  app.get("/admin/backup", operator, getBackup);
  app.post("/admin/restore", operator, postRestore);
  app.post("/admin/reconcile", operator, postReconcile);
}
