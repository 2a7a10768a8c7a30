// The Worker's entry: exports only.

import { createApp } from "./app.ts";

export { AccountObject } from "./account/account.ts";
export { BatchObject } from "./batch/batch.ts";
export { LibraryObject } from "./files/library.ts";

export default createApp();
