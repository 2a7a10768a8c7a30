// hono's router, with a map for paths without parameters in front. With routes like ours hono walks a tree of patterns
// for every request, and the calls that matter most all have one fixed path.

import type { Result, Router } from "hono/router";
import { RegExpRouter } from "hono/router/reg-exp-router";
import { SmartRouter } from "hono/router/smart-router";
import { TrieRouter } from "hono/router/trie-router";

/** What makes a path a pattern. */
const PATTERN = /[:*{?]/;

export class KnownPaths<Handler> implements Router<Handler> {
  readonly name = "KnownPaths";
  readonly #router = new SmartRouter<Handler>({ routers: [new RegExpRouter(), new TrieRouter()] });
  /** The paths of routes only, so that no client can fill the memory. */
  readonly #fixed = new Set<string>();
  readonly #found = new Map<string, Result<Handler>>();

  add(method: string, path: string, handler: Handler): void {
    this.#router.add(method, path, handler);
    if (!PATTERN.test(path)) this.#fixed.add(path);
  }

  match(method: string, path: string): Result<Handler> {
    // A bounded number: the runtime accepts a few dozen methods.
    const name = `${method} ${path}`;
    const known = this.#found.get(name);
    if (known !== undefined) return known;
    const found = this.#router.match(method, path);
    if (this.#fixed.has(path)) this.#found.set(name, found);
    return found;
  }
}
