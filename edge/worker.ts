// The Worker's entry: exports only.

import { createApp } from "./app.ts";

export { AccountWithBilling as AccountObject } from "./billing/account-with-billing.ts";
export { BatchObject } from "./batch/batch.ts";
export { LibraryObject } from "./files/library.ts";

export default createApp();
