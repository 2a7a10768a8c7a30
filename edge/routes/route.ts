// A route of the API as one value: who may call it, how it is published and what it does. table.ts lists them all;
// mount.ts, the document and the tests use that list. What is not part of the API is listed in pages.ts.

import type { Hono } from "hono";
import type { AppEnv, Context } from "../context.ts";
import type { Scope } from "../ledger/types.ts";
import type { Caller } from "../middleware/authorize.ts";
import type { Operation } from "../openapi/operation.ts";

export type Answer = Response | Promise<Response>;
export type Handler = (c: Context) => Answer;
type KeyHandler = (c: Context, caller: Caller) => Answer;

/** Who may call, and the handler. `mount.ts` has the middleware of each. */
type Access =
  /** Anybody; `optional`: a key that is sent must be in force. */
  | { readonly auth: "none" | "optional"; readonly handler: Handler }
  /** A key with `scope`, or any key of an account: the account is asked before the handler begins. */
  | {
      readonly auth: "key";
      readonly scope: Scope | "any";
      readonly handler: KeyHandler;
    }
  /** The same for calls of models, whose handler asks for `scope` together with credit, once the texts are known. */
  | { readonly auth: "call"; readonly scope: Scope; readonly handler: Handler }
  /** The operator's key. */
  | { readonly auth: "operator"; readonly handler: Handler };

interface Mounted {
  /** The route works in a Worker that is not configured, and says so. */
  readonly unconfigured?: true;
}

export type Route = Operation & Access & Mounted;

type Untagged = Omit<Operation, "tag" | "auth">;

/** The routes of one resource, each for a key with `scope` unless it has a scope of its own. */
export function keyRoutes(
  tag: Operation["tag"],
  scope: Scope | "any",
  routes: readonly (Untagged & { readonly scope?: Scope | "any"; readonly handler: KeyHandler })[],
): readonly Route[] {
  return routes.map((route) => ({ tag, auth: "key", scope, ...route }));
}

/** The same, for the operator's key. */
export function operatorRoutes(routes: readonly (Untagged & { readonly handler: Handler })[]): readonly Route[] {
  return routes.map((route) => ({ tag: "Operator", auth: "operator", ...route }));
}

/** A route that the document leaves out (pages.ts). Its path does not begin like the API's. */
export interface PageRoute extends Mounted {
  readonly method: "get" | "post" | "all";
  /** Like a route's path, or with `*` at its end. */
  readonly path: string;
  /** `site`: only for pages of this site. `call`: a key, as a route that calls models. */
  readonly auth: "none" | "site" | "call";
  /** The route for programs at this path: clients whose base URL lacks /v1 call it. */
  readonly program?: Route;
  /** `app`: the API, which pages ask for their data. */
  readonly handler: (c: Context, app: Hono<AppEnv>) => Answer;
}
