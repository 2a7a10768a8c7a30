// Figures for people. Amounts are nano-USD (integers; sums of them stay exact far beyond any account).

const NANO = 1_000_000_000;

/** `$12.34`; small amounts keep three significant digits: `$0.00000123`. */
export function formatMoney(nanoUsd: number): string {
  const usd = Math.abs(nanoUsd) / NANO;
  const sign = nanoUsd < 0 ? "−" : "";
  if (usd === 0) return "$0";
  if (usd >= 0.01) {
    return `${sign}$${usd.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: usd < 1 ? 4 : 2 })}`;
  }
  return `${sign}$${usd.toLocaleString("en-US", { maximumSignificantDigits: 3, maximumFractionDigits: 9 })}`;
}

/** `1,234`, `12.3K`, `4.56M`. */
export function formatCount(value: number): string {
  if (Math.abs(value) < 10_000) return Math.round(value).toLocaleString("en-US");
  return new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 }).format(value);
}

export function formatPercent(share: number): string {
  return `${(share * 100).toLocaleString("en-US", { maximumFractionDigits: share < 0.1 ? 1 : 0 })} %`;
}

/** `12 ms`, `1.4 s`; `–` for none. */
export function formatMs(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return "–";
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}

/** A calendar day (UTC) from unix seconds: `24 Nov 2026`. */
export const formatDay = dates({ timeZone: "UTC", day: "numeric", month: "short", year: "numeric" });

/** The same for an axis: `24 Nov`. */
export const formatShortDay = dates({ timeZone: "UTC", day: "numeric", month: "short" });

const formatMinute = dates({ day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });

/** `24 Nov 2026, 13:05` in the visitor's time zone; `–` for none. */
export function formatTime(seconds: number | null | undefined): string {
  return seconds === null || seconds === undefined ? "–" : formatMinute(seconds);
}

/** A formatter of unix seconds, made once: making one takes longer than a hundred uses of it. */
function dates(options: Intl.DateTimeFormatOptions): (seconds: number) => string {
  const formatter = new Intl.DateTimeFormat("en-GB", options);
  return (seconds) => formatter.format(seconds * 1000);
}
