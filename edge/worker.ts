// The Worker's entry: exports only.

import { createApp } from "./app.ts";

export { AccountWithNotices as AccountObject } from "./account/account-with-notices.ts";
export { BatchObject } from "./batch/batch.ts";
export { LibraryObject } from "./files/library.ts";

export default createApp();
