// Signing secrets of webhooks at rest: sealed as files are, each under its webhook's own key.

import type { Cipher } from "../lib/cipher.ts";
import type { Id } from "../../shared/ids.ts";
import type { StoredSecret, WebhookRecord } from "./notice-store.ts";

const NAME = "signing secret";

export class WebhookSecrets {
  readonly #cipher: Cipher;

  constructor(cipher: Cipher) {
    this.#cipher = cipher;
  }

  async seal(id: Id<"webhook">, secret: string): Promise<StoredSecret> {
    return { sealed: await this.#cipher.webhook(id).sealText(NAME, secret) };
  }

  /**
   * The secrets that sign at `nowMs`, the newest first. `renewed`: the newest sealed again, if it was sealed under an
   * old secret of ours. Throws DamagedFileError for one that was sealed under a secret that is gone.
   */
  async inForce(
    { id, secret, previous }: WebhookRecord,
    nowMs: number,
  ): Promise<{ readonly secrets: readonly string[]; readonly renewed?: StoredSecret }> {
    const stored = previous !== undefined && nowMs < previous.untilMs ? [secret, previous.secret] : [secret];
    const secrets = await Promise.all(stored.map((one) => this.#open(id, one)));
    const [newest] = secrets;
    if (newest === undefined || (await this.#isCurrent(id, secret))) return { secrets };
    return { secrets, renewed: await this.seal(id, newest) };
  }

  async #open(id: Id<"webhook">, stored: StoredSecret): Promise<string> {
    return typeof stored === "string" ? stored : this.#cipher.webhook(id).openText(NAME, stored.sealed);
  }

  async #isCurrent(id: Id<"webhook">, stored: StoredSecret): Promise<boolean> {
    return typeof stored === "object" && this.#cipher.webhook(id).isCurrent(Uint8Array.fromBase64(stored.sealed));
  }
}
