// The Worker of the metering bench: `POST /v1/embeddings` as it is, and as it would be without key, wallet and limits:
// the same body, schema, model, look-ups and answer.

import { Hono } from "hono";
import { AccountObject } from "../../../../edge/account/account.ts";
import { admitMemory } from "../../../../edge/middleware/admit-memory.ts";
import type { AppEnv } from "../../../../edge/context.ts";
import { authenticate } from "../../../../edge/middleware/authenticate.ts";
import { answerError } from "../../../../edge/middleware/errors.ts";
import { nameRequest } from "../../../../edge/middleware/request-id.ts";
import { postEmbeddings } from "../../../../edge/routes/embeddings.ts";
import { servicesOf } from "../../../../edge/services.ts";
import { openAccount, postBare } from "./routes.ts";

export { AccountObject };

const app = new Hono<AppEnv>();
app.onError(answerError);
app.use(async (c, next) => {
  c.set("startedMs", performance.now());
  c.set("services", servicesOf(c.env));
  nameRequest(c);
  await next();
});
app.post("/account", openAccount);
app.post("/metered", authenticate, admitMemory, postEmbeddings);
app.post("/bare", admitMemory, postBare);

// oxlint-disable-next-line import/no-default-export -- a Worker's entry
export default app;
