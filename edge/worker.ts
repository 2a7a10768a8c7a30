// The Worker's entry: exports only.

import { createApp } from "./app.ts";

export { AccountObject } from "./account/account.ts";

export default createApp();
