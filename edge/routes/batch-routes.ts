// Files and batches, registered in one place (app.ts calls it).

import type { Hono } from "hono";
import type { AppEnv } from "../context.ts";
import { authenticate } from "../middleware/authenticate.ts";
import { cancelBatch, createBatch, getBatch, listBatches } from "./batches.ts";
import { createFile, deleteFile, getFile, getFileContent, listFiles } from "./files.ts";

export function addBatchRoutes(app: Hono<AppEnv>): void {
  app.post("/v1/files", authenticate, createFile);
  app.get("/v1/files", authenticate, listFiles);
  app.get("/v1/files/:id", authenticate, getFile);
  app.get("/v1/files/:id/content", authenticate, getFileContent);
  app.delete("/v1/files/:id", authenticate, deleteFile);

  app.post("/v1/batches", authenticate, createBatch);
  app.get("/v1/batches", authenticate, listBatches);
  app.get("/v1/batches/:id", authenticate, getBatch);
  app.post("/v1/batches/:id/cancel", authenticate, cancelBatch);
}
