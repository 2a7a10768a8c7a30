// What the hub's client fetches with: an answer that a moment later would be another one is asked for again, when the
// hub says so; a page where data is due is named as what it is; and the environment's proxies are used.

import { EnvHttpProxyAgent, setGlobalDispatcher } from "undici";

import { StartError } from "../config.ts";

/** Asked so often in all. */
const ATTEMPTS_MAX = 3;
const RETRY_S = 0.3;
const RETRY_AFTER_S_MAX = 60;
const PASSING = new Set([429, 502, 503, 504]);

export interface HubFetchOptions {
  /** Ends what is going on, whatever it waits for. */
  readonly signal?: AbortSignal;
  /** Waits, or rejects when the signal aborts. */
  readonly wait: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
}

/** A fetch that rejects with StartError when a page comes and with TypeError without an answer; else it gives the answer. */
export function hubFetch({ signal, wait }: HubFetchOptions): typeof fetch {
  return async (input, init) => {
    const signals = [signal, init?.signal].filter((one) => one !== undefined && one !== null);
    for (let attempt = 1; ; attempt += 1) {
      let pauseS = RETRY_S * attempt;
      try {
        const response = await fetch(input, {
          ...init,
          ...(signals.length > 0 && { signal: AbortSignal.any(signals) }),
        });
        if (attempt === ATTEMPTS_MAX || !PASSING.has(response.status)) {
          await refusePage(response);
          return response;
        }
        pauseS = retryAfterS(response) ?? pauseS;
        await response.body?.cancel();
      } catch (error) {
        // A reset or a name that cannot be looked up; what was aborted is not asked for again.
        if (!(error instanceof TypeError) || attempt === ATTEMPTS_MAX) throw error;
      }
      await wait(pauseS * 1_000, signal);
    }
  };
}

/** `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` (or in small letters), which Node's own fetch does not look at. */
export function useProxies(environment: Readonly<Record<string, string | undefined>>): void {
  const given = (name: string): string | undefined => environment[name.toLowerCase()] ?? environment[name];
  const [httpProxy, httpsProxy, noProxy] = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"].map(given);
  if (!httpProxy && !httpsProxy) return;
  const proxies = { httpProxy: httpProxy ?? "", httpsProxy: httpsProxy ?? "", noProxy: noProxy ?? "" };
  setGlobalDispatcher(new EnvHttpProxyAgent(proxies));
}

/** Seconds or a date, as HTTP has it. */
function retryAfterS(response: Response): number | undefined {
  const header = response.headers.get("retry-after");
  if (header === null) return undefined;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1_000;
  return Number.isFinite(seconds) ? Math.min(RETRY_AFTER_S_MAX, Math.max(0, seconds)) : undefined;
}

/** No request here asks the hub for a page, so a page comes from a proxy in between. */
async function refusePage(response: Response): Promise<void> {
  if (!response.ok || response.headers.get("content-type")?.includes("text/html") !== true) return;
  const title = /<title[^>]*>([^<]{1,80})/i.exec(await response.text())?.[1]?.trim();
  const called = title === undefined ? "" : ` ("${title}")`;
  throw new StartError(
    `${new URL(response.url).origin} answered with an HTML page${called} where the hub's data is due: a proxy or a sign-in page of this network stands in between.`,
  );
}
