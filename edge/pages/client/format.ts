// Figures for people. Amounts are integers of nano-USD.

const NANO = 1_000_000_000;

const formatDollars = numbers({ minimumFractionDigits: 2, maximumFractionDigits: 2 });
const formatCents = numbers({ minimumFractionDigits: 2, maximumFractionDigits: 4 });
const formatFractions = numbers({ maximumSignificantDigits: 3, maximumFractionDigits: 9 });

/** `$12.34`; small amounts keep three significant digits: `$0.00000123`. */
export function formatMoney(nanoUsd: number): string {
  const usd = Math.abs(nanoUsd) / NANO;
  if (usd === 0) return "$0";
  const format = usd >= 1 ? formatDollars : usd >= 0.01 ? formatCents : formatFractions;
  return `${nanoUsd < 0 ? "−" : ""}$${format(usd)}`;
}

const formatWhole = numbers({ maximumFractionDigits: 0 });
const formatCompact = numbers({ notation: "compact", maximumSignificantDigits: 3 });

/** `1,234`, `12.3K`, `4.56M`. */
export function formatCount(value: number): string {
  return Math.abs(value) < 10_000 ? formatWhole(value) : formatCompact(value);
}

/** `3.1 %`, `42 %` of a share of 1. */
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

/** Formatters are made once: making one takes longer than a hundred uses of it. */
function numbers(options: Intl.NumberFormatOptions): (value: number) => string {
  const formatter = new Intl.NumberFormat("en-US", options);
  return (value) => formatter.format(value);
}

/** The same for unix seconds. */
function dates(options: Intl.DateTimeFormatOptions): (seconds: number) => string {
  const formatter = new Intl.DateTimeFormat("en-GB", options);
  return (seconds) => formatter.format(seconds * 1000);
}
