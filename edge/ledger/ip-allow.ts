// Whether an address may use a key: exact addresses and CIDR ranges, IPv4 and IPv6. An IPv4-mapped IPv6 address counts
// as the IPv4 address.

import ipaddr from "ipaddr.js";

const IPV4_BITS = 32;
const IPV6_BITS = 128;
/** Where the IPv4 address begins in an IPv4-mapped IPv6 address. */
const MAPPED_BITS = 96;
const BITS = /^(0|[1-9]\d{0,2})$/;

/**
 * `text` in its stored form. Undefined: it is neither an address nor a CIDR range, or it is ambiguous: octal,
 * hexadecimal, decimal and short forms (`010.0.0.1`, `127.1`), a zone, bits set after the prefix.
 */
export function canonicalRange(text: string): string | undefined {
  const [address = "", prefix, ...more] = text.split("/");
  if (more.length > 0 || (prefix !== undefined && !BITS.test(prefix))) return undefined;
  const read = strictAddress(address);
  if (read === undefined) return undefined;
  const isMapped = read instanceof ipaddr.IPv6 && read.isIPv4MappedAddress();
  const host = isMapped ? read.toIPv4Address() : read;
  const length = host instanceof ipaddr.IPv4 ? IPV4_BITS : IPV6_BITS;
  const bits = prefix === undefined ? length : Number(prefix) - (isMapped ? MAPPED_BITS : 0);
  if (bits < 0 || bits > length || hasBitsBehind(host, bits)) return undefined;
  const shown = host instanceof ipaddr.IPv6 ? host.toRFC5952String() : host.toString();
  return bits === length ? shown : `${shown}/${bits}`;
}

function strictAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  if (!text.includes(":")) return ipaddr.IPv4.isValidFourPartDecimal(text) ? ipaddr.IPv4.parse(text) : undefined;
  const tail = text.slice(text.lastIndexOf(":") + 1);
  if (tail.includes(".") && !ipaddr.IPv4.isValidFourPartDecimal(tail)) return undefined;
  return !text.includes("%") && ipaddr.IPv6.isValid(text) ? ipaddr.IPv6.parse(text) : undefined;
}

function hasBitsBehind(address: ipaddr.IPv4 | ipaddr.IPv6, bits: number): boolean {
  return address.toByteArray().some((byte, index) => {
    const own = Math.min(8, Math.max(0, bits - index * 8));
    return (byte & (0xff >> own)) !== 0;
  });
}

/** Whether `text` can be matched at all: keys older than `canonicalRange` may hold any text. */
export function isAddressRange(text: string): boolean {
  return ipaddr.isValidCIDR(text) || ipaddr.isValid(text);
}

/** Whether `address` is in one of `ranges`; an invalid address is in none. */
export function isAddressAllowed(address: string, ranges: readonly string[]): boolean {
  if (!ipaddr.isValid(address)) return false;
  const caller = ipaddr.process(address);
  return ranges.some((range) => {
    const [network, bits] = rangeOf(range);
    return caller.kind() === network.kind() && caller.match(network, bits);
  });
}

/** Whether every address of `wanted` is in one of `own`; an invalid range is only within itself. */
export function areRangesWithin(wanted: readonly string[], own: readonly string[]): boolean {
  return wanted.every((range) => {
    if (!isAddressRange(range)) return own.includes(range);
    const [network, bits] = rangeOf(range);
    return own.filter(isAddressRange).some((one) => {
      const [around, aroundBits] = rangeOf(one);
      return network.kind() === around.kind() && bits >= aroundBits && network.match(around, aroundBits);
    });
  });
}

function rangeOf(range: string): [ipaddr.IPv4 | ipaddr.IPv6, number] {
  return ipaddr.isValidCIDR(range) ? ipaddr.parseCIDR(range) : hostRange(range);
}

function hostRange(address: string): [ipaddr.IPv4 | ipaddr.IPv6, number] {
  const host = ipaddr.process(address);
  return [host, host.kind() === "ipv4" ? 32 : 128];
}
