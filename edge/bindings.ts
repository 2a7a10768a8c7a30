// The Worker's bindings, as the runtime hands them over.

import type { AccountObject } from "./account/account.ts";
import type { BatchCalls } from "./files/batch-calls.ts";
import type { LibraryObject } from "./files/library.ts";
import type { NoticeSettings } from "./notices/settings.ts";
import type { SettingTexts } from "./settings.ts";

/** Settings and secrets (settings.ts), what is only set on a developer's machine, and the bindings of wrangler.toml. */
export interface Env extends SettingTexts, Pick<NoticeSettings, "WEBHOOK_EGRESS" | "WEBHOOK_ALLOW_LOOPBACK"> {
  readonly ACCOUNT: DurableObjectNamespace<AccountObject>;
  readonly BATCH: DurableObjectNamespace<BatchCalls>;
  readonly LIBRARY: DurableObjectNamespace<LibraryObject>;
  readonly EMBEDDING_CACHE: KVNamespace;
  readonly DIRECTORY: D1Database;
  readonly FILES: R2Bucket;
  /** The files of pages (edge/pages/assets.ts). */
  readonly ASSETS: Pick<Fetcher, "fetch">;
  /** Cloudflare's name of the deployed version; absent in development. */
  readonly VERSION?: { readonly id: string };
  /** Other origins for tests. */
  readonly GITHUB_ORIGIN?: string;
  readonly GITHUB_API_ORIGIN?: string;
}
