// A view of the dashboard.

import type { VNode } from "preact";

/** Shows everything again as it is now; what the visitor typed and where the focus is stay. */
export type Refresh = () => Promise<void>;

/** Loads what the view shows. What it throws is shown in its place. */
export type View = (refresh: Refresh) => Promise<VNode>;
