// Where a webhook may go: only to public https names. A customer chooses the address and our machine makes the call, so
// it must never reach an address inside a network (SSRF; OWASP cheat sheet of that name). The URL parser has already
// turned every spelling of an IP address (decimal, octal, short) into its plain form. It must not reach this deployment
// either: that would be our own signed POST to our backends or the operator's routes. What a public name resolves to is
// checked where the call is made: by the platform, whose fetch is strictly public (wrangler.toml), and on one's own
// machine by the server's WEBHOOK_EGRESS (scripts/dev-server/webhook-egress.ts).

const PORTS = new Set(["", "443", "8443"]);
const URL_LENGTH_MAX = 2048;
const ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[.*\])$/;
/** Names of local machines and networks (RFC 6761, 6762, 8375; cloud metadata under `.internal`). */
const PRIVATE_SUFFIXES = [
  ".internal",
  ".svc",
  ".cluster",
  ".local",
  ".localhost",
  ".localdomain",
  ".home.arpa",
  ".lan",
  ".intranet",
  ".corp",
  ".home",
  ".private",
  ".onion",
  ".test",
  ".invalid",
  ".example",
  ".in-addr.arpa",
  ".ip6.arpa",
];

export type Target =
  | { readonly kind: "allowed"; readonly url: string }
  /** `rule` completes "must be …". */
  | { readonly kind: "refused"; readonly rule: string };

const refused = (rule: string): Target => ({ kind: "refused", rule });

/**
 * Checks the address `text`. `allowLoopback`: only in development, allows a receiver at `http://127.0.0.1`. `ownHosts`:
 * host names of this deployment.
 */
export function judgeTarget(text: string, allowLoopback: boolean, ownHosts: readonly string[] = []): Target {
  if (text.length > URL_LENGTH_MAX) return refused(`at most ${URL_LENGTH_MAX} characters`);
  if (!URL.canParse(text)) return refused("a URL like https://example.com/hook");
  const url = new URL(text);
  url.hash = "";
  if (url.username !== "" || url.password !== "") return refused("a URL without a user name or password");
  if (allowLoopback && url.protocol === "http:" && url.hostname === "127.0.0.1") {
    return { kind: "allowed", url: url.href };
  }
  if (url.protocol !== "https:") return refused("an https URL");
  if (!PORTS.has(url.port)) return refused("a URL on port 443 or 8443");
  if (ADDRESS.test(url.hostname)) return refused("a URL with a host name, not an IP address");
  const host = url.hostname.endsWith(".") ? url.hostname.slice(0, -1) : url.hostname;
  if (!host.includes(".") || host.endsWith(".") || PRIVATE_SUFFIXES.some((suffix) => `.${host}`.endsWith(suffix))) {
    return refused("a URL with a public host name");
  }
  if (ownHosts.includes(host)) return refused("a URL of another service than this one");
  return { kind: "allowed", url: url.href };
}
